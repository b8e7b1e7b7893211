package gateway

import (
	"crypto/ed25519"
	"errors"
	"net"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
)

// expiring is how long before a certificate ends somebody should know.
const expiring = 30 * 24 * time.Hour

// network looks at what the links need, and whether what listens here can. It
// connects to nobody.
func (f *findings) network(w *wiring.Wiring, now time.Time) {
	for _, l := range wiring.SortedLinks(w.Links) {
		part := "links/" + l.Name
		switch {
		case l.Outside():
			f.outside(w, l, part, now)
		case l.Broker == "":
			f.add(OK, part, "leads to the broker of this gateway")
		default:
			f.add(OK, part, "leads to %s", l.Broker)
		}
	}
	if w.Broker != nil {
		f.listener(w, "broker", w.Broker.Listen)
		if w.Broker.Plain != "" {
			f.listener(w, "broker", w.Broker.Plain)
		}
	}
	if w.Metrics != nil {
		f.listener(w, "metrics", w.Metrics.Listen)
	}
}

// outside looks at the files of a link to an outside broker.
func (f *findings) outside(w *wiring.Wiring, l *wiring.Link, part string, now time.Time) {
	until, err := linking.CheckOutside(l, "this gateway", ownTLS(w), now)
	switch {
	case err != nil:
		f.add(Fault, part, "%v", err)
	case until.Sub(now) < expiring:
		f.add(Note, part, "%s ends on %s: have a steward issue another", l.Cert, until.UTC().Format(time.DateOnly))
	default:
		f.add(OK, part, "leads to %s, with a certificate that is good until %s", l.Broker, until.UTC().Format(time.DateOnly))
	}
}

// ownTLS is the folder's key for brokers; where that cannot be read the enrolment says
// so.
func ownTLS(w *wiring.Wiring) ed25519.PublicKey {
	f, err := folder.Open(w.Data, false)
	if err != nil {
		return nil
	}
	defer f.Close()
	key, err := f.Public(folder.TLSKey)
	if err != nil {
		return nil
	}
	return key[:]
}

// listener tells whether something can listen at an address. While a daemon runs
// it does.
func (f *findings) listener(w *wiring.Wiring, part, address string) {
	if runs(w.Data) {
		f.add(Note, part, "a tombolod runs here and has %s", address)
		return
	}
	l, err := net.Listen("tcp", address)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		f.add(Fault, part, "nothing can listen at %s: %v", address, errors.Unwrap(err))
		return
	}
	f.add(OK, part, "%s is free", address)
}
