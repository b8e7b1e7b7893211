package roster_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestEveryKind projects one ledger of each sort with every kind that stands in
// it, and looks at all that comes of it.
func TestEveryKind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, steward, r := w.issuer(), w.steward(), w.open()
	p := w.person(7)
	phone, card := doorkey("phone", passport.KindPhone), doorkey("card", passport.KindHalo)

	w.arriveAll()
	v := w.project(r)
	if v.Policy != nil || v.Age(w.now) != 0 || len(v.Problems) != 0 || v.Generation != 1 {
		t.Fatalf("ledgers that only began: %+v, age %v", v, v.Age(w.now))
	}
	if h := holder(t, r, phone); h != (access.Holder{}) {
		t.Errorf("a key that nobody delegated: %+v", h)
	}

	write := func(bodies ...ledger.Body) {
		issuer.write(bodies...)
		w.arriveAll()
		v = w.project(r)
	}
	want := access.Holder{Known: true, KeyID: phone.Key().ID(), Delegation: p.delegation(phone), Wallet: address(p.wallet)}
	check := func(what string) {
		t.Helper()
		if h := holder(t, r, phone); h != want {
			t.Errorf("%s:\n got %+v\nwant %+v", what, h, want)
		}
	}
	write(p.adds(phone))
	check("delegated before it was admitted")
	write(p.admit())
	want.ByOwner, want.Admitted, want.Class = true, true, "resident"
	want.NotBefore, want.NotAfter = p.admit().NotBefore, p.admit().NotAfter
	check("admitted")
	write(&ledger.Suspend{Passport: 7})
	want.Suspended = true
	check("suspended")
	write(&ledger.Reinstate{Passport: 7})
	want.Suspended = false
	check("reinstated")
	again := p.admit()
	again.Class, again.NotAfter = "visitor", again.NotAfter+5
	write(again)
	want.Class, want.NotAfter = again.Class, again.NotAfter
	check("admitted anew")
	write(p.adds(phone, func(d *passport.Delegation) { d.NotAfter++; d.Mode = passport.ModeWindow }))
	want.Delegation.NotAfter++
	want.Delegation.Mode = passport.ModeWindow
	check("delegated anew")
	write(p.adds(card), p.revokes(phone))
	want.Revoked, want.ClosedAtHome = true, true // nobody lives anywhere: no home to keep
	check("revoked")
	write(&ledger.Expel{Passport: 7}, &ledger.Reinstate{Passport: 7})
	want.Expelled = true
	check("expelled for good")
	write(&ledger.NodeRegistered{Node: w.node.ID(), Slug: "casa", Doors: 1})

	steward.write(policyEntry(2, ""), p.home("front", 30*day), &ledger.GatewayEnrolled{Gateway: "gw1", Keys: ledger.GatewayKeys{
		Signing: [32]byte{1}, Hold: [32]byte{2}, Witness: [32]byte{3}, Sealing: [32]byte{4}, TLS: [32]byte{5}}},
		&ledger.GatewayRemoved{Gateway: "gw1", Signing: [32]byte{1}})
	w.arriveAll()
	v = w.project(r)
	if v.Policy == nil || v.Policy.Version != 2 || !lives(v, "front", 7, w.now, true) || lives(v, "front", 8, w.now, true) || lives(v, "back", 7, w.now, true) {
		t.Errorf("policy %v, or the home is wrong", v.Policy)
	}
	steward.write(p.homeEnded("front", w.now))
	w.arriveAll()
	v = w.project(r)
	if !lives(v, "front", 7, w.now.Add(30*day-1), true) || lives(v, "front", 7, w.now.Add(30*day), true) {
		t.Error("the home does not end with its notice")
	}
	if len(v.Problems) != 0 {
		t.Errorf("problems: %+v", v.Problems)
	}
	for _, k := range ledger.KnownKinds() {
		if !k.In(ledger.CommunityLog) && !k.In(ledger.NodeLog) {
			continue
		}
		found := k == ledger.KindDropped // dropped_test.go
		for _, l := range w.logs {
			for _, e := range l.entries {
				leaf, err := ledger.ParseLeaf(e.Leaf)
				found = found || err == nil && leaf.Kind == k
			}
		}
		if !found {
			t.Errorf("no entry of the kind %v was projected here", k)
		}
	}
}

// TestGeneration: a Project that changes nothing makes no other view, and one
// that changes anything does.
func TestGeneration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, r := w.issuer(), w.open()
	w.arriveAll()
	v := w.project(r)
	if again := w.project(r); again != v {
		t.Errorf("generation %d after %d, and nothing new", again.Generation, v.Generation)
	}
	for what, change := range map[string]func(){
		"an entry":             func() { issuer.write(w.person(1).admit()); w.arriveAll() },
		"a fresher head":       func() { w.now = w.now.Add(day); w.arriveAll() },
		"an unreadable ledger": func() { w.unreadable = errors.New("damaged") },
	} {
		was := r.View().Generation
		change()
		if v := w.project(r); v.Generation != was+1 || v != r.View() {
			t.Errorf("%s: generation %d after %d", what, v.Generation, was)
		}
	}
}

// TestReopened: a roster that was closed goes on where it was.
func TestReopened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, steward := w.issuer(), w.steward()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone))
	steward.write(policyEntry(1, ""), p.home("front", day))
	w.arriveAll()
	path := filepath.Join(t.TempDir(), "roster.db")
	r := w.openAt(path)
	w.project(r)
	before := holder(t, r, phone)
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v, %v", fi.Mode(), err)
	}

	r = w.openAt(path)
	v := w.project(r)
	if holder(t, r, phone) != before || v.Policy == nil || !lives(v, "front", 7, w.now, true) {
		t.Error("reopened, it is another")
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "roster.db")
	w.openAt(path)
	damage(t, path, "PRAGMA user_version = 2")
	_, err := roster.Open(roster.Config{Path: path, Source: w, Community: w.community.ID(), Node: w.node.ID()})
	if !errors.Is(err, roster.ErrNewer) || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("got %v", err)
	}
}

func TestFileThatIsNoRoster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "roster.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := roster.Open(roster.Config{Path: path, Source: w}); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("got %v", err)
	}
}

// damage runs SQL on a roster's file behind its back.
func damage(t testing.TB, path, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite3", path+"?_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA ignore_check_constraints = 1; " + query); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedRow: a row that is not whole gives an error and no grant.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"UPDATE doorkey SET id = x'01'",
		"UPDATE doorkey SET id = zeroblob(32)",
		"UPDATE doorkey SET point = x'02'",
		"UPDATE doorkey SET point = zeroblob(33)",
		"UPDATE doorkey SET signer = x''",
		"UPDATE doorkey SET scope = x'00'",
		"UPDATE doorkey SET kind = 300",
		"UPDATE doorkey SET mode = -1",
		"UPDATE claim SET owner = x''",
		"UPDATE claim SET class = NULL",
		"UPDATE claim SET not_before = NULL",
		"UPDATE claim SET not_after = NULL",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			issuer := w.issuer()
			p, phone := w.person(7), doorkey("phone", passport.KindPhone)
			issuer.write(p.admit(), p.adds(phone))
			w.arriveAll()
			path := filepath.Join(t.TempDir(), "roster.db")
			r := w.openAt(path)
			w.project(r)
			damage(t, path, query)
			h, err := r.ByWindow(7, phone.Key().ID().Short())
			if err == nil || h != (access.Holder{}) {
				t.Errorf("got %+v, %v", h, err)
			}
		})
	}
}

// TestTwoKeysWithOneShortID: nobody can tell which is meant, so neither is.
func TestTwoKeysWithOneShortID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer := w.issuer()
	p, phone, card := w.person(7), doorkey("phone", passport.KindPhone), doorkey("card", passport.KindHalo)
	issuer.write(p.admit(), p.adds(phone), p.adds(card))
	w.arriveAll()
	path := filepath.Join(t.TempDir(), "roster.db")
	r := w.openAt(path)
	w.project(r)
	damage(t, path, "UPDATE doorkey SET short = 5") // a collision of 64 bits is not found in a test
	if h, err := r.ByWindow(7, number(5)); err != nil || h.Known {
		t.Errorf("got %+v, %v", h, err)
	}
	if h := must(r.ByKey(card.Key().ID())); !h.Known {
		t.Error("by its whole id the card is known")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
