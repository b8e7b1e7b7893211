package roster_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestOrderOfArrival: whatever issuers and stewards wrote, in however many
// incarnations, the projection is the same in whatever order and pieces it
// arrived.
func TestOrderOfArrival(t *testing.T) {
	t.Parallel()
	// Signing is slow and deterministic: entries are made once.
	vocabulary := newVocabulary(t)
	// So is waiting for a disk: two files are emptied and used again.
	src := &current{newWorld(t)}
	once, pieces := newReused(t, src.world, src), newReused(t, src.world, src)
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		src.world = w
		once.empty(t)
		pieces.empty(t)
		w.recharter(func(c *ledger.Charter) {
			c.Authors = append(c.Authors, ledger.Author{Role: ledger.Issuer, Key: public(key("issuer 2"))})
		})
		w.node = w.sign(w.node, func() ledger.Charter {
			c := w.node.Next()
			c.Authors = authors(append(c.Authors, ledger.Author{Role: ledger.Steward, Key: public(key("steward 2"))})...)
			return c
		}())
		vocabulary.write(rt, w)

		// At once.
		for _, l := range w.logs {
			l.arrive(l.size())
		}
		w.project(once.Roster)

		// In pieces, in any order; every head is as new as before, so that age agrees.
		for _, l := range w.logs {
			l.arrived = 0
		}
		for range rapid.IntRange(0, 12).Draw(rt, "pieces") {
			l := rapid.SampledFrom(w.logs).Draw(rt, "ledger")
			if l.arrived < l.size() {
				l.arrive(rapid.Int64Range(max(1, l.arrived), l.size()).Draw(rt, "size"))
			}
			w.project(pieces.Roster)
		}
		for _, l := range rapid.Permutation(w.logs).Draw(rt, "the rest") {
			l.arrive(l.size())
			if rapid.Bool().Draw(rt, "project") {
				w.project(pieces.Roster)
			}
		}
		w.project(pieces.Roster)
		same(rt, w, vocabulary, once.Roster, pieces.Roster)
	})
}

// current is a source that changes.
type current struct{ *world }

type reused struct {
	*roster.Roster
	db *sql.DB
}

func newReused(t *testing.T, w *world, src roster.Source) reused {
	path := filepath.Join(t.TempDir(), "roster.db")
	r := must(roster.Open(roster.Config{Path: path, Source: src, Community: w.community.ID(), Node: w.node.ID(), Gateway: public(key("gateway"))}))
	db := must(sql.Open("sqlite3", path+"?_busy_timeout=5000&_synchronous=OFF"))
	t.Cleanup(func() {
		if err := errors.Join(db.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	})
	return reused{r, db}
}

func (r reused) empty(t *testing.T) {
	for _, table := range []string{"charters", "cursor", "holder", "claim", "doorkey", "revoked", "home", "policy",
		"lockdown", "bar", "pass", "pass_ended", "forgiven", "pin", "removed", "notice", "fork"} {
		if _, err := r.db.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
}

// same compares all that can be asked of two rosters.
func same(t *rapid.T, w *world, voc *vocabulary, a, b *roster.Roster) {
	sameLookups(t, voc, a, b)
	samePolicy(t, a.View(), b.View())
	x, y := *a.View(), *b.View()
	x.Generation, y.Generation, x.Policy, y.Policy = 0, 0, nil, nil
	if !reflect.DeepEqual(x, y) {
		t.Fatalf("views:\none   %+v\nother %+v", x, y)
	}
	for h := range 80 {
		at := w.now.Add(time.Duration(h) * 12 * time.Hour)
		for n := range voc.people {
			if lives(a.View(), "front", n+1, at, true) != lives(b.View(), "front", n+1, at, true) {
				t.Fatalf("%d lives at the front door in only one of them, %v later", n+1, at.Sub(w.now))
			}
		}
	}
}

func samePolicy(t *rapid.T, a, b *roster.View) {
	if (a.Policy == nil) != (b.Policy == nil) || a.Policy != nil && a.Policy.Hash() != b.Policy.Hash() {
		t.Fatal("another policy")
	}
}

func sameLookups(t *rapid.T, voc *vocabulary, a, b *roster.Roster) {
	for name, k := range voc.keys {
		if x, y := must(a.ByKey(k.Key().ID())), must(b.ByKey(k.Key().ID())); x != y {
			t.Fatalf("%s:\none   %+v\nother %+v", name, x, y)
		}
		for n := range voc.people {
			p, short := passport.ID(n+1), k.Key().ID().Short()
			if x, y := must(a.ByWindow(p, short)), must(b.ByWindow(p, short)); x != y {
				t.Fatalf("%s by window of %d:\none   %+v\nother %+v", name, n+1, x, y)
			}
		}
	}
	for n := range voc.people {
		x, xOK, err := a.Pin(passport.ID(n + 1))
		y, yOK, err2 := b.Pin(passport.ID(n + 1))
		if string(x) != string(y) || xOK != yOK || err != nil || err2 != nil {
			t.Fatalf("PIN of %d: %q and %q, %v, %v", n+1, x, y, err, err2)
		}
	}
}

// vocabulary is what its authors may write.
type vocabulary struct {
	people    []person
	keys      map[string]*passport.SoftKey
	community []ledger.Body
	node      []ledger.Body
}

func newVocabulary(t testing.TB) *vocabulary {
	w := newWorld(t)
	v := &vocabulary{keys: map[string]*passport.SoftKey{
		"phone": doorkey("phone", passport.KindPhone), "card": doorkey("card", passport.KindHalo), "card 2": doorkey("card 2", passport.KindKeycard),
	}}
	for n := 1; n <= 2; n++ {
		p := w.person(n)
		v.people = append(v.people, p)
		other := p.with(wallet("another"))
		for _, owner := range []person{p, other} {
			for i, class := range []string{"resident", "visitor"} {
				b := owner.admit()
				b.Class, b.NotAfter = class, b.NotAfter+int64(i)
				v.community = append(v.community, b)
			}
		}
		v.community = append(v.community,
			&ledger.Suspend{Passport: uint64(n)}, &ledger.Reinstate{Passport: uint64(n)}, &ledger.Expel{Passport: uint64(n)})
		for _, name := range []string{"phone", "card", "card 2"} {
			k := v.keys[name]
			v.community = append(v.community,
				p.adds(k), other.adds(k), p.adds(k, func(d *passport.Delegation) {
					d.NotAfter += 7
					d.Scope = passport.NodeTarget(passport.NodeID(w.node.ID()))
				}),
				p.revokes(k), p.revokesSigned(k), other.revokesSigned(k))
		}
		v.node = append(v.node, p.home("front", time.Duration(n)*10*day), p.home("front", day), p.home("back", 5*day),
			p.homeEnded("front", t0), p.homeEnded("front", t0.Add(20*day)), p.homeEnded("back", t0))
	}
	at := func(hours int) int64 { return t0.Add(time.Duration(hours) * time.Hour).Unix() }
	for n := byte(1); n <= 2; n++ {
		v.node = append(v.node,
			&ledger.Lockdown{Ends: at(20 * int(n))}, &ledger.Lockdown{Doors: []string{"back", "front"}, Ends: at(30 * int(n))}, &ledger.Lockdown{Doors: []string{"front", "gate"}, Ends: at(40)},
			&ledger.LockdownLifted{}, &ledger.LockdownLifted{Doors: []string{"front"}},
			&ledger.Bar{Passport: uint64(n), Ends: at(20)}, &ledger.Bar{Passport: uint64(n), Ends: at(50)}, &ledger.Bar{Passport: uint64(n)},
			&ledger.GuestEnded{Pass: ledger.PassID{n}}, &ledger.Forgive{Passport: uint64(n)}, &ledger.Forgive{},
			pinSet(uint64(n), "first"), pinSet(uint64(n), "second"), &ledger.PinSet{Passport: uint64(n)})
		for id := byte(1); id <= 3; id++ {
			v.node = append(v.node, &ledger.GuestPass{Pass: ledger.PassID{id}, Passport: uint64(n), Levels: []string{"house"}, NotBefore: at(0), NotAfter: at(20 + int(n)), Uses: uint32(n)})
		}
	}
	for version := 1; version <= 3; version++ {
		v.node = append(v.node, policyEntry(version, "a"), policyEntry(version, "b"))
	}
	unusable := policyEntry(4, "")
	unusable.File = []byte("version = 4\nsomething = \"new\"\n")
	v.node = append(v.node, unusable)
	return v
}

// write fills several authors' ledgers, of one or two incarnations each, at
// times that are not in the order of the writing.
func (v *vocabulary) write(t *rapid.T, w *world) {
	for _, a := range []struct {
		kind ledger.LogKind
		name string
		says []ledger.Body
	}{
		{ledger.CommunityLog, "issuer", v.community}, {ledger.CommunityLog, "issuer 2", v.community},
		{ledger.NodeLog, "steward", v.node}, {ledger.NodeLog, "steward 2", v.node},
	} {
		l := w.begin(a.kind, key(a.name), nil)
		for range rapid.IntRange(0, 12).Draw(t, a.name+" writes") {
			if rapid.IntRange(0, 5).Draw(t, "reincarnates") == 0 {
				l = w.begin(a.kind, key(a.name), l)
			}
			w.now = t0.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "at")) * time.Hour)
			l.write(rapid.SampledFrom(a.says).Draw(t, "says"))
		}
	}
	w.now = t0.Add(6 * time.Hour)
}

// TestRestrictiveWins: what two issuers say is put together.
func TestRestrictiveWins(t *testing.T) {
	t.Parallel()
	p := newWorld(t).person(7)
	from, until := p.admit().NotBefore, p.admit().NotAfter
	for _, tt := range []struct {
		name      string
		one, two  []ledger.Body
		want      access.Reason
		notBefore int64
		notAfter  int64
	}{
		{"they agree", []ledger.Body{p.admit()}, []ledger.Body{p.admit()}, access.Granted, from, until},
		{"only one knows the passport", []ledger.Body{p.admit()}, nil, access.Granted, from, until},
		{"one suspends", []ledger.Body{p.admit()}, []ledger.Body{p.admit(), &ledger.Suspend{Passport: 7}}, access.Suspended, from, until},
		{"the other does not reinstate", []ledger.Body{p.admit(), &ledger.Suspend{Passport: 7}}, []ledger.Body{p.admit(), &ledger.Reinstate{Passport: 7}}, access.Suspended, from, until},
		{"the same one does", []ledger.Body{p.admit(), &ledger.Suspend{Passport: 7}, &ledger.Reinstate{Passport: 7}}, nil, access.Granted, from, until},
		{"one suspends whom it never admitted", []ledger.Body{p.admit()}, []ledger.Body{&ledger.Suspend{Passport: 7}}, access.Suspended, from, until},
		{"one expels", []ledger.Body{&ledger.Expel{Passport: 7}}, []ledger.Body{p.admit()}, access.Expelled, from, until},
		{"another class", []ledger.Body{p.admit()}, []ledger.Body{admitted(p, func(a *ledger.Admit) { a.Class = "steward" })}, access.Disputed, from, until},
		{"another owner", []ledger.Body{p.admit()}, []ledger.Body{p.with(wallet("another")).admit()}, access.Disputed, from, until},
		{"other dates", []ledger.Body{admitted(p, func(a *ledger.Admit) { a.NotBefore++ })}, []ledger.Body{admitted(p, func(a *ledger.Admit) { a.NotAfter-- })}, access.Granted, from + 1, until - 1},
		{"another owner alone", []ledger.Body{p.with(wallet("another")).admit()}, nil, access.NotByOwner, from, until},
		{"never admitted", nil, nil, access.NotAdmitted, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.recharter(func(c *ledger.Charter) {
				c.Authors = append(c.Authors, ledger.Author{Role: ledger.Issuer, Key: public(key("issuer 2"))})
			})
			one, two, steward, r := w.issuer(), w.begin(ledger.CommunityLog, key("issuer 2"), nil), w.steward(), w.open()
			phone := doorkey("phone", passport.KindPhone)
			steward.write(policyEntry(1, ""))
			one.write(w.person(7).adds(phone))
			one.write(tt.one...)
			two.write(tt.two...)
			w.arriveAll()
			w.project(r)
			if got := w.verdict(r, phone); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if h := holder(t, r, phone); h.NotBefore != tt.notBefore || h.NotAfter != tt.notAfter {
				t.Errorf("valid from %d until %d, want %d and %d", h.NotBefore, h.NotAfter, tt.notBefore, tt.notAfter)
			}
		})
	}
}

func admitted(p person, change func(*ledger.Admit)) *ledger.Admit {
	a := p.admit()
	change(a)
	return a
}

// TestClaimedTwice: a key that a passport has claimed is refused to a second
// one, whichever claim arrives first.
func TestClaimedTwice(t *testing.T) {
	t.Parallel()
	for _, firstArrives := range []bool{true, false} {
		t.Run(fmt.Sprint(firstArrives), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.recharter(func(c *ledger.Charter) {
				c.Authors = append(c.Authors, ledger.Author{Role: ledger.Issuer, Key: public(key("issuer 2"))})
			})
			one, two, r := w.issuer(), w.begin(ledger.CommunityLog, key("issuer 2"), nil), w.open()
			card := doorkey("card", passport.KindHalo)
			first, second := w.person(7), w.person(3)
			one.write(first.admit(), first.adds(card))
			w.now = w.now.Add(time.Second)
			two.write(second.admit(), second.adds(card))
			logs := []*log{one, two}
			if !firstArrives {
				logs = []*log{two, one}
			}
			for _, l := range logs {
				l.arrive(l.size())
				w.project(r)
			}
			if h := holder(t, r, card); h.Delegation.Passport != 7 || !h.ByOwner {
				t.Errorf("the card speaks for %d: %+v", h.Delegation.Passport, h)
			}
			if h := must(r.ByWindow(3, card.Key().ID().Short())); h.Known {
				t.Errorf("the second claim counts: %+v", h)
			}
			two.write(second.revokes(card)) // its own claim, not the first's
			w.arriveAll()
			w.project(r)
			if h := holder(t, r, card); h.Revoked {
				t.Error("revoked for the other passport")
			}
		})
	}
}
