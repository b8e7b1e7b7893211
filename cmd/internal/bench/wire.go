package main

import (
	"fmt"
	"os"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/store"
)

const (
	wirePassports = 1000
	wireRounds    = 7
	weekChanges   = 1000
	wireSettled   = 5 * time.Second // births and heads are repeated after 2 to 4 s
	wirePatience  = time.Minute
)

// wire measures what an exchange takes of a gateway's connection: all bytes of
// TCP's payload, so with what MQTT and TLS add, and for the gateway that was away
// with its handshake and what the broker retained for it.
func wire(b *report, dir string) error {
	i, desk, a, err := newDeskIsle(dir)
	if err != nil {
		return err
	}
	defer i.close()
	defer desk.stop()
	if err := admit(a, 1, wirePassports); err != nil {
		return err
	}
	desk.node.Appended()
	s, err := i.open(gatewayName(0))
	if err != nil {
		return err
	}
	defer s.Close()
	gw, err := i.run(gatewayName(0), s, 1, nil)
	if err != nil {
		return err
	}
	if err := gw.holds(a.Head().Origin, a.Head().Size, wirePatience); err != nil {
		return err
	}
	time.Sleep(wireSettled)
	var down, up []float64
	for n := range wireRounds {
		before := gw.node.Status().Links[0].Stats
		if _, err := a.Append(suspend(n + 1)); err != nil {
			return err
		}
		desk.node.Appended()
		if err := gw.holds(a.Head().Origin, a.Head().Size, wirePatience); err != nil {
			return err
		}
		time.Sleep(1500 * time.Millisecond) // the acknowledgement
		after := gw.node.Status().Links[0].Stats
		down, up = append(down, float64(after.WireReceived-before.WireReceived)), append(up, float64(after.WireSent-before.WireSent))
	}
	b.most("sync-revocation-bytes", median(down), 1024)
	fmt.Printf("# a revocation: %.0f bytes to a gateway, %.0f for its acknowledgement\n", median(down), median(up))

	gw.stop()
	first := a.Head().Size
	if err := changes(a, weekChanges); err != nil {
		return err
	}
	desk.node.Appended()
	time.Sleep(time.Second)
	entries, err := entryBytes(desk.store, a.Head().Origin, first)
	if err != nil {
		return err
	}
	if gw, err = i.run(gatewayName(0), s, 1, nil); err != nil {
		return err
	}
	defer gw.stop()
	if err := gw.holds(a.Head().Origin, a.Head().Size, wirePatience); err != nil {
		return err
	}
	stats := gw.node.Status().Links[0].Stats
	b.most("sync-week-bytes-ratio", float64(stats.WireReceived)/float64(entries), 1.3)
	fmt.Printf("# a week away: %d bytes received and %d sent for %d changes of %d bytes\n", stats.WireReceived, stats.WireSent, weekChanges, entries)
	if n := stats.Received[link.TypeGive].Messages; n == 0 {
		return fmt.Errorf("a week's changes came without a Give: %+v", stats)
	}
	return nil
}

// newDeskIsle is an isle whose issuer's desk takes part.
func newDeskIsle(dir string) (*isle, *participant, *store.Author, error) {
	i, err := newIsle(dir)
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := i.open(issuer)
	if err != nil {
		return nil, nil, nil, err
	}
	a, err := i.author(issuer, s, ledger.CommunityLog)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := a.Refresh(); err != nil { // the ledger begins
		return nil, nil, nil, err
	}
	desk, err := i.run(issuer, s, 2, nil)
	if err == nil {
		err = desk.up()
	}
	return i, desk, a, err
}

// changes are what a week brings: people move in, lose their phones and get
// another.
func changes(a *store.Author, n int) error {
	drafts := make([]store.Draft, n)
	for k := range drafts {
		number := uint64(k%wirePassports + 1)
		switch k % 4 {
		case 0:
			drafts[k] = suspend(int(number))
		case 1:
			drafts[k].Body = &ledger.Reinstate{Passport: number - 1, Why: "another phone"}
		default:
			drafts[k].Body = &ledger.Admit{Passport: wirePassports + uint64(k), Owner: [20]byte{2, byte(k), byte(k >> 8)}, Class: "resident", NotAfter: 1 << 40}
		}
		drafts[k].Time = time.Now()
	}
	_, err := a.Append(drafts...)
	return err
}

// entryBytes is the size of a ledger's entries from one on: what each has of leaf,
// salt, time and body, without any framing.
func entryBytes(s *store.Store, o ledger.Origin, from int64) (n int, err error) {
	i, err := s.Ledger(o)
	if err != nil {
		return 0, err
	}
	for e, err := range s.Entries(i, from, i.Size) {
		if err != nil {
			return 0, err
		}
		n += len(e.Leaf) + len(e.Salt) + 8 + len(e.Body)
	}
	return n, nil
}

// progress shows how far something is, every few seconds.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+" …\n", args...) }
