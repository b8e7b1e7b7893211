package gateway_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// held is what a unit's store has of a ledger.
func (u *unit) held(o ledger.Origin) store.Info {
	u.e.t.Helper()
	s := must(store.Open(filepath.Join(u.dir, "ledgers.db")))
	defer s.Close()
	return must(s.Ledger(o))
}

// thief connects with keys that were stolen from a folder, as a desk does or as a
// gateway.
func (e *estate) thief(f *folder.Folder, self replica.Peer, own bool, cert func() (tls.Certificate, error)) *link.Link {
	e.t.Helper()
	text := fmt.Sprintf("[links.casa]\nbroker = \"tls://%s\"\nown = %v\n", e.listen, own)
	cfg := must(linking.Participant{Folder: f, Self: self, Key: must(f.EnsureKey(folder.TLSKey)), Name: "thief", Software: "test", Own: cert}.
		Configs(must(wiring.ParseLinks("links.toml", []byte(text))), ""))[0]
	cfg.Self = self
	events := make(chan link.Event, 100)
	l := must(link.Open(cfg, events))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	go func() {
		for {
			select {
			case <-events:
			case <-ctx.Done():
				return
			}
		}
	}()
	e.t.Cleanup(func() { cancel(); <-done })
	e.eventually(10*time.Second, func() error {
		if s := l.Stats(); !s.Up {
			return fmt.Errorf("the thief's link is down: %v", s.LastError)
		}
		return nil
	})
	return l
}

// deskCertificate is what a desk shows, signed by a key of e.desk's.
func (e *estate) deskCertificate(role folder.Role) func() (tls.Certificate, error) {
	key := must(e.desk.Key(role))
	return func() (tls.Certificate, error) { return enroll.DeskCertificate(key, time.Now()) }
}

// replay says everything of a ledger again.
func replay(t *testing.T, l *link.Link, s *store.Store, o ledger.Origin) {
	t.Helper()
	i := must(s.Ledger(o))
	x := must(s.Stretch(i, 0, replica.MaxTail))
	if int64(len(x.Entries)) != i.Size {
		t.Fatal("a tail is shorter")
	}
	for range 10 {
		if err := l.Send(replica.ScopeOf(o.Kind), replica.Peer{}, replica.Head{Author: i.Author, Note: i.Note, Tail: x.Entries}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// forge signs another history of a ledger's first size entries.
func forge(held store.Info, size int64, key ed25519.PrivateKey) replica.Head {
	note := must(ledger.Sign(ledger.Checkpoint{Origin: held.Origin, Size: size, Root: [32]byte{1}}, key, held.Time))
	return replica.Head{Author: held.Author, Note: note, From: size}
}

// TestStolenIssuer: what a thief signs counts until the charter replaces the key,
// and at no door from then on, back to the size that the charter names.
func TestStolenIssuer(t *testing.T) {
	t.Parallel()
	e := newEstate(t).run()
	stolen := must(e.desk.Author(ledger.CommunityLog))
	o, counted := stolen.Head().Origin, stolen.Head().Size
	write := func(why string) {
		t.Helper()
		if _, err := stolen.Append(store.Draft{Body: &ledger.Suspend{Passport: 7, Why: why}, Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
		e.node.Appended()
	}
	everywhere := func(what string, right func(*ledger.Decision) bool) time.Duration {
		t.Helper()
		return e.eventually(10*time.Second, func() error {
			for _, u := range e.gws {
				if d := u.tap(); !right(d) {
					return fmt.Errorf("%s: at %s: %+v", what, u.Name, d)
				}
			}
			return nil
		})
	}
	suspended := func(d *ledger.Decision) bool { return d.Reason == "suspended" }
	write("by the thief")
	everywhere("before the charter", suspended)

	s := e.desk.Store()
	root := must(tlog.TreeHash(counted, ledger.Hashes(s.Reader(must(s.Ledger(o))))))
	next := must(e.desk.Community()).Next()
	next.Authors[0].Retired = true
	next.Authors[0].Counted = []ledger.Counted{{Incarnation: o.Incarnation, Size: counted, Root: [32]byte(root)}}
	fresh, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	next.Authors = append(next.Authors, ledger.Author{Role: ledger.Issuer, Key: [32]byte(fresh)})
	slices.SortFunc(next.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	signed := ledger.SignCharter(must(next.Marshal()), must(e.desk.Key(folder.CharterKey)))
	if _, added, err := s.AddCharter(signed); err != nil || !added {
		t.Fatalf("%v, %v", added, err)
	}
	took := everywhere("after the charter", func(d *ledger.Decision) bool { return !suspended(d) })
	t.Logf("the thief's word counts at no door any more after %v", took)

	// Whatever else the thief writes, nobody takes it.
	write("by the thief again")
	for range 5 {
		time.Sleep(100 * time.Millisecond)
		everywhere("what the thief writes later", func(d *ledger.Decision) bool { return !suspended(d) })
	}
	for _, u := range e.gws {
		if n := u.held(o).Size; n != counted+1 {
			t.Errorf("%s holds %d entries, of which %d count", u.Name, n, counted)
		}
	}
}

// TestStolenKeysFork: whoever signs another history with a stolen key, of one size
// or of another, convicts it: every door log tells of the proof, nothing more of
// that ledger is taken in, and the doors go on.
func TestStolenKeysFork(t *testing.T) {
	t.Parallel()
	e := newEstate(t).run()
	gw1, gw2, gw3 := e.gws[0], e.gws[1], e.gws[2]
	seen := func(o ledger.Origin, all ...*unit) {
		t.Helper()
		for _, u := range all {
			e.eventually(20*time.Second, func() error {
				for {
					select {
					case b := <-u.records:
						f, ok := b.(*ledger.ForkSeen)
						if !ok {
							continue
						}
						if a, _, err := must(ledger.ParseFork(f.Evidence)).Heads(); err == nil && a.Origin == o {
							return nil
						}
					default:
						return fmt.Errorf("%s says nothing of %v; its log says\n%s", u.Name, o, u.log.String())
					}
				}
			})
		}
	}

	// The issuer's: another history of the same size.
	issuer := must(e.desk.Key(folder.IssuerKey))
	stolen := must(e.desk.Author(ledger.CommunityLog))
	community := must(e.desk.Store().Ledger(stolen.Head().Origin))
	l := e.thief(e.desk, community.Origin.Author, false, e.deskCertificate(folder.IssuerKey))
	if err := l.Send(replica.All, replica.Peer{}, forge(community, community.Size, issuer)); err != nil {
		t.Fatal(err)
	}
	seen(community.Origin, e.gws...)
	if _, err := e.desk.Author(ledger.CommunityLog); err == nil {
		t.Error("the desk goes on writing what was convicted")
	}
	if _, err := stolen.Append(store.Draft{Body: &ledger.Suspend{Passport: 7, Why: "by whoever has the key"}, Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	e.node.Appended()

	// A gateway's: another history of a smaller size.
	e.eventually(10*time.Second, func() error {
		if n := gw1.held(gw3.Head().Origin).Size; n < 3 {
			return fmt.Errorf("gw1 holds %d entries of gw3's", n)
		}
		return nil
	})
	f := must(folder.Open(gw3.dir, false))
	defer f.Close()
	held := gw1.held(gw3.Head().Origin)
	key := must(f.Key(folder.TLSKey))
	g := e.thief(f, held.Origin.Author, true, func() (tls.Certificate, error) { return enroll.SelfSigned(key, "gw3") })
	if err := g.Send(replica.Node, replica.Peer{}, forge(held, held.Size-1, must(f.Key(folder.SigningKey)))); err != nil {
		t.Fatal(err)
	}
	seen(held.Origin, gw1, gw2)

	for _, u := range e.gws {
		if d := u.tap(); !d.Granted {
			t.Errorf("at %s: %+v", u.Name, d)
		}
		if n := u.held(community.Origin).Size; n != community.Size {
			t.Errorf("%s holds %d entries of the issuer's", u.Name, n)
		}
	}
}
