package roster_test

import (
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestHomes plays entries at their authors' times, all of which arrive at
// seenAt, and looks until when the passport lives there: at the day given, and
// no longer; -1 is for ever, 0 is never.
func TestHomes(t *testing.T) {
	t.Parallel()
	type entry struct {
		day  int // of its author's clock
		body func(person) ledger.Body
	}
	home := func(notice int) func(person) ledger.Body {
		return func(p person) ledger.Body { return p.home("front", time.Duration(notice)*day) }
	}
	ended := func(at int) func(person) ledger.Body {
		return func(p person) ledger.Body { return p.homeEnded("front", t0.Add(time.Duration(at)*day)) }
	}
	for _, tt := range []struct {
		name    string
		entries []entry
		seen    int
		until   int
	}{
		{"a home", []entry{{0, home(30)}}, 0, -1},
		{"ended", []entry{{0, home(30)}, {1, ended(1)}}, 1, 31},
		{"ended later than its notice", []entry{{0, home(30)}, {1, ended(90)}}, 1, 90},
		{"ended without notice", []entry{{0, home(0)}, {1, ended(1)}}, 1, 1},
		{"the end is seen late: the notice runs from then", []entry{{0, home(30)}, {1, ended(1)}}, 20, 50},
		{"a steward who backdates", []entry{{-90, home(30)}, {-60, ended(-60)}}, 0, 30},
		{"the end before the home ends nothing", []entry{{1, ended(1)}, {2, home(30)}}, 2, -1},
		{"an end of what never was", []entry{{1, ended(1)}}, 1, 0},
		{"ended twice: the earlier counts", []entry{{0, home(30)}, {1, ended(80)}, {2, ended(2)}}, 2, 32},
		{"moves in again", []entry{{0, home(30)}, {1, ended(1)}, {2, home(30)}}, 2, -1},
		{"a second, shorter notice shortens nothing", []entry{{0, home(30)}, {1, home(0)}, {2, ended(2)}}, 2, 32},
		{"nor one that is backdated", []entry{{0, home(30)}, {-1, home(0)}, {2, ended(2)}}, 2, 32},
		{"nor one while the notice runs", []entry{{0, home(30)}, {1, ended(1)}, {2, home(0)}, {3, ended(3)}}, 3, 33},
		{"a longer one lengthens", []entry{{0, home(10)}, {1, home(60)}, {2, ended(2)}}, 2, 62},
		{"a home after the end has its own notice", []entry{{0, home(30)}, {0, ended(0)}, {40, home(2)}, {41, ended(41)}}, 41, 43},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			steward, r := w.steward(), w.open()
			p := w.person(7)
			for _, e := range tt.entries {
				w.now = t0.Add(time.Duration(e.day) * day)
				steward.write(e.body(p))
				// Each end but the last is seen when it is written.
				if e.day < tt.seen {
					steward.arrive(steward.size())
					if tt.seen == 41 {
						w.project(r)
					}
				}
			}
			w.now = t0.Add(time.Duration(tt.seen) * day)
			w.arriveAll()
			v := w.project(r)
			alive := func(at int) bool { return lives(v, "front", 7, t0.Add(time.Duration(at)*day), true) }
			switch tt.until {
			case -1:
				if !alive(100_000) {
					t.Error("the home ended")
				}
			case 0:
				if alive(tt.seen) {
					t.Error("there is a home")
				}
			default:
				if lives(v, "front", 7, t0.Add(time.Duration(tt.until)*day), true) || !lives(v, "front", 7, t0.Add(time.Duration(tt.until)*day-time.Second), true) {
					t.Errorf("the home does not end on day %d", tt.until)
				}
				if !lives(v, "front", 7, t0.Add(1000*day), false) {
					t.Error("without a clock no home has ended")
				}
			}
		})
	}
}

// TestNoticeWantsAClock: a notice does not begin to run by a clock that is not
// believed, neither by the gateway's word nor by what the ledgers show.
func TestNoticeWantsAClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steward, r := w.steward(), w.open()
	p := w.person(7)
	steward.write(p.home("front", 30*day), p.homeEnded("front", t0))
	w.arriveAll()
	for _, c := range []access.Clock{{Now: t0}, known(t0.Add(-time.Hour))} {
		if v := w.projectAt(r, c); !lives(v, "front", 7, t0.Add(1000*day), true) {
			t.Errorf("the notice ran by the clock %+v", c)
		}
	}
	w.now = t0.Add(5 * day)
	v := w.project(r)
	if !lives(v, "front", 7, t0.Add(35*day-1), true) || lives(v, "front", 7, t0.Add(35*day), true) {
		t.Error("the notice does not run from when the clock was known")
	}
	// And it goes on to run from then, under another charter too.
	w.now = t0.Add(20 * day)
	w.recharter(func(*ledger.Charter) {})
	if v = w.project(r); lives(v, "front", 7, t0.Add(35*day), true) {
		t.Error("made again, the notice began anew")
	}
}

// homely is a person who lives behind the front door and has been expelled,
// suspended, forgotten: only home is left.
func homely(t *testing.T) (w *world, issuer *log, p person, r *roster.Roster) {
	w = newWorld(t)
	issuer = w.issuer()
	steward := w.steward()
	p = w.person(7)
	steward.write(policyEntry(1, ""), p.home("front", 30*day))
	issuer.write(p.admit())
	return w, issuer, p, w.open()
}

// TestLastKey: a lost card is closed at home as long as another key of the
// person is left, or by the wallet's word; the last key stays.
func TestLastKey(t *testing.T) {
	t.Parallel()
	card, second, phone := doorkey("card", passport.KindHalo), doorkey("card 2", passport.KindKeycard), doorkey("phone", passport.KindPhone)
	type keys map[*passport.SoftKey]bool // open at home
	scoped := func(door string) func(*passport.Delegation) {
		return func(d *passport.Delegation) {
			d.Scope = passport.DoorTarget(passport.NodeID(newWorld(t).node.ID()), door)
		}
	}
	codesOnly := func(d *passport.Delegation) { d.Mode = passport.ModeWindow }
	for _, tt := range []struct {
		name  string
		write func(w *world, l *log, p person)
		open  keys
	}{
		{"nothing revoked", func(w *world, l *log, p person) { l.write(p.adds(card), p.adds(phone)) }, keys{card: true, phone: true}},
		{"another key is left", func(w *world, l *log, p person) { l.write(p.adds(card), p.adds(phone), p.revokes(card)) }, keys{card: false, phone: true}},
		{"the last key", func(w *world, l *log, p person) { l.write(p.adds(card), p.revokes(card)) }, keys{card: true}},
		{"the last key, by the wallet", func(w *world, l *log, p person) { l.write(p.adds(card), p.revokesSigned(card)) }, keys{card: false}},
		{"the wallet's word comes later", func(w *world, l *log, p person) { l.write(p.adds(card), p.revokes(card), p.revokesSigned(card)) }, keys{card: false}},
		{"a key added later closes it", func(w *world, l *log, p person) { l.write(p.adds(card), p.revokes(card), p.adds(phone)) }, keys{card: false, phone: true}},
		{"revoked before it was added", func(w *world, l *log, p person) { l.write(p.revokes(card), p.adds(card), p.adds(phone)) }, keys{card: false, phone: true}},
		{"one after the other: the last stays", func(w *world, l *log, p person) {
			l.write(p.adds(card), p.adds(second), p.adds(phone), p.revokes(second), p.revokes(card), p.revokes(phone))
		}, keys{card: false, second: false, phone: true}},
		{"the other by the wallet: the last of the rest stays", func(w *world, l *log, p person) {
			l.write(p.adds(card), p.adds(phone), p.revokes(card), p.revokesSigned(phone))
		}, keys{card: true, phone: false}},
		{"a key for codes alone is no key at home", func(w *world, l *log, p person) {
			l.write(p.adds(card), p.adds(phone, codesOnly), p.revokes(card))
		}, keys{card: true}},
		{"nor is one for another door", func(w *world, l *log, p person) {
			l.write(p.adds(card), p.adds(phone, scoped("back")), p.revokes(card))
		}, keys{card: true}},
		{"one for the home's door alone is", func(w *world, l *log, p person) {
			l.write(p.adds(card), p.adds(phone, scoped("front")), p.revokes(card))
		}, keys{card: false, phone: true}},
		{"the last key is for the home's door alone", func(w *world, l *log, p person) {
			l.write(p.adds(card, scoped("front")), p.revokes(card))
		}, keys{card: true}},
		{"another's wallet revokes", func(w *world, l *log, p person) {
			l.write(p.adds(card), p.with(wallet("another")).revokesSigned(card))
		}, keys{card: true}},
		{"a wallet's word that does not verify", func(w *world, l *log, p person) {
			b := p.revokesSigned(card)
			b.Wallet[5] ^= 1
			l.write(p.adds(card), b)
		}, keys{card: true}},
		{"a wallet's word for another key", func(w *world, l *log, p person) {
			b := p.revokesSigned(phone)
			b.Key = card.Key().ID()
			l.write(p.adds(card), b)
		}, keys{card: true}},
		{"an issuer evicts: its own key beside the family's", func(w *world, l *log, p person) {
			l.write(p.adds(card), p.with(wallet("issuer's")).adds(phone), p.revokes(card))
		}, keys{card: true, phone: false}},
		{"an issuer evicts: it names its own wallet the owner", func(w *world, l *log, p person) {
			his := p.with(wallet("issuer's"))
			l.write(p.adds(card), his.admit(), his.adds(phone), p.revokes(card), his.revokesSigned(card))
		}, keys{card: true}},
		{"a key that another passport claimed is not left", func(w *world, l *log, p person) {
			other := w.person(3)
			l.write(other.adds(phone), p.adds(card), p.adds(phone), p.revokes(card))
		}, keys{card: true}},
		{"suspended and expelled", func(w *world, l *log, p person) {
			l.write(p.adds(card), &ledger.Suspend{Passport: 7}, &ledger.Expel{Passport: 7})
		}, keys{card: true}},
		{"no longer delegated in time", func(w *world, l *log, p person) {
			l.write(p.adds(card, func(d *passport.Delegation) { d.NotAfter = uint64(t0.Unix()) - 1 }))
		}, keys{card: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, issuer, p, r := homely(t)
			tt.write(w, issuer, p)
			w.arriveAll()
			w.project(r)
			for k, open := range tt.open {
				if got := w.verdict(r, k); (got == access.Home) != open {
					t.Errorf("%v: %v, open at home should be %v", k.Key().Kind, got, open)
				}
			}
		})
	}
}

// TestHomeComesLast: the keys were revoked before anybody heard of the home.
func TestHomeComesLast(t *testing.T) {
	t.Parallel()
	w, issuer, p, r := homely(t)
	card := doorkey("card", passport.KindHalo)
	issuer.write(p.adds(card), p.revokes(card))
	issuer.arrive(issuer.size())
	w.project(r)
	w.arriveAll()
	w.project(r)
	if got := w.verdict(r, card); got != access.Home {
		t.Errorf("the last key at a home of which the roster hears last: %v", got)
	}
}

// TestOwnerChanged: an issuer that rewrites the owner evicts nobody; elsewhere
// the old wallet's keys open no more.
func TestOwnerChanged(t *testing.T) {
	t.Parallel()
	w, issuer, p, r := homely(t)
	card := doorkey("card", passport.KindHalo)
	issuer.write(p.adds(card))
	issuer.write(p.with(wallet("another")).admit())
	w.arriveAll()
	v := w.project(r)
	if got := w.verdict(r, card); got != access.Home {
		t.Errorf("at home: %v", got)
	}
	h := holder(t, r, card)
	elsewhere := *v
	elsewhere.Homes = nil
	if got := w.decide(&elsewhere, h); got != access.NotByOwner || h.ByOwner {
		t.Errorf("elsewhere: %v, %+v", got, h)
	}
	// The issuer's own wallet, entered as the owner, opens what residents open,
	// and is not at home.
	its := doorkey("its", passport.KindHalo)
	issuer.write(p.with(wallet("another")).adds(its), &ledger.Suspend{Passport: 7})
	w.arriveAll()
	w.project(r)
	if got := w.verdict(r, its); got != access.Suspended {
		t.Errorf("the issuer's own key at somebody's home: %v", got)
	}
	if got := w.verdict(r, card); got != access.Home {
		t.Errorf("whose home it is: %v", got)
	}
	// A stranger's key for the passport opens nothing, at home neither.
	his := doorkey("his", passport.KindPhone)
	issuer.write(p.with(wallet("stranger")).adds(his))
	w.arriveAll()
	w.project(r)
	if got := w.verdict(r, his); got != access.NotByOwner {
		t.Errorf("a stranger's key: %v", got)
	}
}
