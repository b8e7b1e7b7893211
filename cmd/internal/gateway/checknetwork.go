package gateway

import (
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"time"

	"tombolo/cmd/internal/folder"
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
	authority, err := readCertificates(l.CA)
	if err != nil {
		f.add(Fault, part, "the authority of %s is not known: %v", l.Broker, err)
		return
	}
	own, err := readCertificates(l.Cert)
	if err != nil {
		f.add(Fault, part, "%s will not let this gateway in: %v; have a steward issue it", l.Broker, err)
		return
	}
	roots := x509.NewCertPool()
	for _, c := range authority {
		roots.AddCert(c)
	}
	_, err = own[0].Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	switch left := own[0].NotAfter.Sub(now); {
	case !ofThisGateway(w, own[0]):
		f.add(Fault, part, "%s is for another key than this gateway's: ask for one for its own", l.Cert)
	case err != nil:
		f.add(Fault, part, "%s is none that the authority stands by now: %v", l.Cert, err)
	case left < expiring:
		f.add(Note, part, "%s ends on %s: have a steward issue another", l.Cert, own[0].NotAfter.UTC().Format(time.DateOnly))
	default:
		f.add(OK, part, "leads to %s, with a certificate that is good until %s", l.Broker, own[0].NotAfter.UTC().Format(time.DateOnly))
	}
}

// ofThisGateway tells whether a certificate is for the folder's key; where that
// cannot be read the enrolment says so.
func ofThisGateway(w *wiring.Wiring, c *x509.Certificate) bool {
	f, err := folder.Open(w.Data, false)
	if err != nil {
		return true
	}
	defer f.Close()
	key, err := f.Public(folder.TLSKey)
	pub, ok := c.PublicKey.(ed25519.PublicKey)
	return err != nil || ok && slices.Equal(pub, key[:])
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
