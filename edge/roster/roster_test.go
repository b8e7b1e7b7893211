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
	write(&ledger.NodeRegistered{Node: w.node.ID(), Slug: "casa", Doors: 1},
		&ledger.NodeVouched{Node: w.node.ID(), Steward: [32]byte{1}, Signature: [64]byte{1}},
		&ledger.Snapshot{Size: 3, Superseded: []byte{2, 1}})

	steward.write(policyEntry(2, ""), p.home("front", 30*day), &ledger.GatewayEnrolled{Gateway: "gw1", Keys: ledger.GatewayKeys{
		Signing: [32]byte{1}, Hold: [32]byte{2}, Witness: [32]byte{3}, Sealing: [32]byte{4}, TLS: [32]byte{5}}},
		&ledger.GatewayVouched{Gateway: [32]byte{1}, Reader: [33]byte{2}, Signature: [64]byte{1}},
		&ledger.GatewayRemoved{Gateway: "gw1", Signing: [32]byte{1}})
	w.arriveAll()
	v = w.project(r)
	if v.Policy == nil || v.Policy.Version != 2 || !lives(v, "front", 7, w.now, true) || lives(v, "front", 8, w.now, true) || lives(v, "back", 7, w.now, true) {
		t.Errorf("policy %v, or the home is wrong", v.Policy)
	}
	pass := &ledger.GuestPass{Pass: ledger.PassID{1}, Passport: 8, Levels: []string{"house"}, NotBefore: t0.Unix(), NotAfter: t0.Add(day).Unix(), Uses: 3}
	ended := &ledger.GuestPass{Pass: ledger.PassID{2}, Passport: 8, Levels: []string{"house"}, NotBefore: t0.Unix(), NotAfter: t0.Add(day).Unix()}
	steward.write(&ledger.LockdownLifted{}, &ledger.Lockdown{Doors: []string{"front"}, Ends: t0.Add(day).Unix()}, &ledger.Bar{Passport: 9, Ends: t0.Add(day).Unix()},
		pass, ended, &ledger.GuestEnded{Pass: ended.Pass}, &ledger.Forgive{Passport: 7}, pinSet(7, "sealed"),
		&ledger.Open{Door: "back", Why: "a parcel"})
	w.arriveAll()
	v = w.project(r)
	c := known(w.now)
	if !v.LockedDown("front", c) || v.LockedDown("back", c) || !v.Barred(9, c) || v.Barred(8, c) || v.Forgiven[7] != w.now.UnixMilli() || v.Forgiven[8] != 0 {
		t.Errorf("lockdowns %v, bars %v, forgiven %v", v.Lockdowns, v.Bars, v.Forgiven)
	}
	if len(v.Opens) != 1 || v.Opens[0].Door != "back" || v.Opens[0].At != w.now.UnixMilli() || v.Opens[0].Origin != steward.origin.String() || v.Opens[0].Index != steward.size()-1 {
		t.Errorf("opened from afar: %+v", v.Opens)
	}
	if all := v.Passes[8]; len(v.Passes) != 1 || len(all) != 1 || all[0].ID != pass.Pass || all[0].NotAfter != pass.NotAfter || all[0].Uses != 3 {
		t.Errorf("passes: %+v", v.Passes)
	}
	if box, ok, err := r.Pin(7); string(box) != "sealed" || !ok || err != nil {
		t.Errorf("PIN: %q, %v, %v", box, ok, err)
	}
	if len(v.Sources) != 2 || v.Sources[0] != (ledger.Source{Origin: issuer.origin.String(), Size: issuer.size()}) ||
		v.Sources[1] != (ledger.Source{Origin: steward.origin.String(), Size: steward.size()}) {
		t.Errorf("sources: %+v", v.Sources)
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
		found := k == ledger.KindDropped || // dropped_test.go
			k == ledger.KindEpochOpened || k == ledger.KindFiguresSigned // the census': no door asks for them
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
	damage(t, path, "PRAGMA user_version = 5")
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

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
