package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// audited is an islet whose node has reported, that two auditors look at.
type audited struct {
	*islet
	k    *keeper
	r    *reporter
	list *census.List
	asks int // of the hub
	say  func(census.DrawnAsk) census.DrawnAnswer
}

func newAudited(t *testing.T, people int, sample uint32) *audited {
	a := newAuditedLess(t, people, sample)
	lists, _ := a.k.report()
	a.list = a.close(lists...)
	return a
}

// newAuditedLess is newAudited before the hub closes the epoch.
func newAuditedLess(t *testing.T, people int, sample uint32) *audited {
	i := newIslet(t, people, "")
	i.auditors = []*auditor{newAuditor("press"), newAuditor("university")}
	a := &audited{islet: i, k: i.gws[0]}
	at := i.now.Add(-2 * time.Hour)
	i.gws[1].boot(at)
	a.k.boot(at)
	for n, g := range i.people {
		i.gws[n%2].enter(g, at.Add(time.Duration(n)*time.Second))
	}
	i.open(sample)
	a.r = a.k.reporter(never(), a.ask)
	t.Cleanup(func() { a.r.close() })
	look(t, a.r, never())
	if _, all := a.k.report(); len(all) != 1 {
		t.Fatalf("%d reports: %v", len(all), a.k.faults)
	}
	return a
}

func (a *audited) ask(_ context.Context, to replica.Peer, body []byte) ([]byte, error) {
	if to != ledger.KeyIDOf(a.hub.Public().(ed25519.PublicKey)) {
		return a.asked(body), nil
	}
	a.asks++
	ask, err := census.ParseDrawnAsk(body)
	if err != nil {
		return nil, err
	}
	if a.say == nil {
		return nil, peer.ErrNoAnswer
	}
	return a.say(ask).Marshal(), nil
}

// honest answers as the hub does.
func (a *audited) honest(d *ledger.Draw) {
	a.say = func(ask census.DrawnAsk) census.DrawnAnswer {
		return a.list.Drawn(census.Indices(d.Seed, d.Root, d.Size, a.opened.Sample), func(census.Tag) bool { return true }, ask.After)
	}
}

func (a *audited) rules() census.Rules {
	r := yes(a.r.rules(yes(a.k.folder.Epochs())[0]))
	return r
}

// openings are the Opened entries of the report ledgers.
func (a *audited) openings() (out []*ledger.Opened) {
	for _, l := range yes(ownLedgers(a.k.folder.Store(), ledger.ReportLog, a.k.id())) {
		for index, e := range entriesOf(a.k.folder.Store(), l) {
			_, b, err := e.Open(ledger.ReportLog, int64(index))
			if err != nil {
				a.t.Fatal(err)
			}
			if o, ok := b.(*ledger.Opened); ok {
				out = append(out, o)
			}
		}
	}
	return out
}

// TestOpens: what was drawn is opened to each auditor and to nobody else; each of
// the openings verifies, and none says more than it has to.
func TestOpens(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 40, 6)
	d := a.draw(a.list, 1)
	look(t, a.r, never()) // the hub does not answer
	if len(a.openings()) != 0 || len(a.k.faults) != 0 {
		t.Fatalf("%d openings, faults %v", len(a.openings()), a.k.faults)
	}
	a.honest(d)
	a.now = a.now.Add(time.Minute)
	look(t, a.r, never())
	look(t, a.r, never())
	all := a.openings()
	if len(all) != 12 {
		t.Fatalf("%d openings of 6 tags to 2 auditors: %v", len(all), a.k.faults)
	}
	drawn := map[census.Tag]census.Entry{}
	for _, i := range census.Indices(d.Seed, d.Root, d.Size, 6) {
		e := a.list.At(int64(i))
		drawn[e.Tag] = e
	}
	for _, o := range all {
		who := slices.IndexFunc(a.auditors, func(x *auditor) bool { return x.key.public() == o.Auditor })
		if who < 0 || o.Epoch != a.opened.ID() || o.Draw != d.Seed {
			t.Fatalf("an opening to nobody: %+v", o)
		}
		s := census.Sealing{Community: a.community, Epoch: o.Epoch, Draw: o.Draw, Tag: o.Tag, Auditor: o.Auditor}
		if _, err := census.Unseal(a.auditors[1-who].key.PrivateKey, s, o.Sealed); err == nil {
			t.Error("the other auditor reads it")
		}
		opening, err := census.Unseal(a.auditors[who].key.PrivateKey, s, o.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		if err := opening.Verify(a.rules(), drawn[o.Tag]); err != nil {
			t.Errorf("an opening does not verify: %v", err)
		}
		if opening.Full != nil {
			t.Error("door and time are disclosed")
		}
		a.withheld(opening.Marshal(), opening.Passport)
	}
	if s := yes(a.r.status("gw")); !s.Epochs[0].Drawn || !s.Epochs[0].Opened {
		t.Errorf("%+v", s)
	}
}

// withheld checks that bytes that leave the gateway tell neither door nor time nor
// what leads to them.
func (a *audited) withheld(b []byte, who uint64) {
	a.t.Helper()
	for _, k := range a.gws {
		for _, l := range yes(DoorLogs(k.folder.Store(), k.id())) {
			for index, e := range entriesOf(k.folder.Store(), l) {
				_, body, err := e.Open(ledger.DoorLog, int64(index))
				if err != nil {
					a.t.Fatal(err)
				}
				d, ok := body.(*ledger.Decision)
				if !ok || d.Passport != who {
					continue
				}
				hidden := map[string][]byte{
					"the presentation": d.Presentation, "its nonce": d.Presentation[1:33], "its time": d.Presentation[33:41],
					"the door": []byte(d.Door), "the decision": e.Body, "its salt": e.Salt[:],
					"its time in the log": binary.BigEndian.AppendUint64(nil, uint64(e.Time)),
				}
				for what, text := range hidden {
					if bytes.Contains(b, text) {
						a.t.Errorf("%s is in what leaves the gateway", what)
					}
				}
			}
		}
	}
}

// TestSecondDraw: a draw that is repeated is recorded, and not answered.
func TestSecondDraw(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 30, 4)
	first := a.draw(a.list, 1)
	a.honest(first)
	look(t, a.r, never())
	n := len(a.openings())
	if n != 8 {
		t.Fatalf("%d openings", n)
	}
	a.honest(a.draw(a.list, 2))
	asks := a.asks
	look(t, a.r, never())
	look(t, a.r, never())
	if len(a.openings()) != n || a.asks != asks {
		t.Errorf("a second draw is answered: %d openings", len(a.openings()))
	}
	if len(a.k.faults) != 1 || !strings.Contains(a.k.faults[0], "a second draw from epoch 1") {
		t.Errorf("faults %v", a.k.faults)
	}
}

// TestDrawsThatAreNone: before the close, of another list, by somebody else.
func TestDrawsThatAreNone(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 30, 4)
	wrong := &ledger.Draw{Epoch: a.opened.ID(), Root: [32]byte{1}, Size: uint64(a.list.Len()), Seed: [32]byte{1}, Source: "x"}
	yes(a.hubLog.Append(store.Draft{Time: a.now, Body: wrong}))
	wrong = &ledger.Draw{Epoch: a.opened.ID(), Root: a.list.Root(nil), Size: uint64(a.list.Len()) + 1, Seed: [32]byte{1}, Source: "x"}
	yes(a.hubLog.Append(store.Draft{Time: a.now, Body: wrong}))
	_, thief, _ := ed25519.GenerateKey(rand.Reader)
	other := yes(a.hubStore.OpenAuthor(store.AuthorConfig{Key: thief, Community: a.community, Kind: ledger.CensusLog, Charter: a.community, Guard: store.Guard{Dir: t.TempDir(), Boot: "1"}, Now: a.clock, Rand: rand.Reader}))
	yes(other.Append(store.Draft{Time: a.now, Body: &ledger.EpochClosed{Epoch: a.opened.ID(), Size: uint64(a.list.Len()), Root: a.list.Root(nil), Rules: 1, Reports: 1}}))
	yes(other.Append(store.Draft{Time: a.now, Body: &ledger.Draw{Epoch: a.opened.ID(), Root: a.list.Root(nil), Size: uint64(a.list.Len()), Seed: [32]byte{7}, Source: "x"}}))
	a.carry()
	a.say = func(census.DrawnAsk) census.DrawnAnswer { t.Error("the hub is asked"); return census.DrawnAnswer{} }
	look(t, a.r, never())
	if len(a.openings()) != 0 {
		t.Error("it is answered")
	}
	d := a.draw(a.list, 3) // the first that is one
	a.honest(d)
	look(t, a.r, never())
	if len(a.openings()) != 8 {
		t.Errorf("%d openings of the first true draw", len(a.openings()))
	}
}

// TestKilledWhileOpening: each drawn tag is opened once to each auditor.
func TestKilledWhileOpening(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 30, 4)
	d := a.draw(a.list, 1)
	a.honest(d)
	for step := 1; ; step++ {
		ctx := &killed{Context: context.Background(), left: step}
		r := a.k.reporter(ctx, a.ask)
		err := r.look(ctx)
		r.close()
		a.now = a.now.Add(10 * time.Minute)
		if err == nil {
			break
		}
	}
	seen := map[box]bool{}
	for _, o := range a.openings() {
		if seen[box{o.Tag, o.Auditor}] {
			t.Error("a tag is opened twice to one auditor")
		}
		seen[box{o.Tag, o.Auditor}] = true
	}
	if len(seen) != 8 {
		t.Errorf("%d openings", len(seen))
	}
}

// TestAfterAudit: nothing is opened any more, and nothing is left that leads from a
// tag to a passport.
func TestAfterAudit(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 30, 4)
	of := yes(a.r.db.presences(a.opened.ID(), "1"))
	d := a.draw(a.list, 1)
	a.honest(d)
	a.now = time.Unix(a.opened.Audit, 0)
	look(t, a.r, never())
	if len(a.openings()) != 0 || a.asks != 0 {
		t.Error("a tag is opened after the audit")
	}
	if yes(a.r.db.count(a.opened.ID(), "1")) == 0 {
		t.Error("it goes at once")
	}
	if _, err := a.r.receipt(1, "", false); err == nil {
		t.Error("a receipt after the audit")
	}
	a.now = a.now.Add(auditGrace)
	look(t, a.r, never())
	if _, ok, err := a.r.db.epoch(a.opened.ID()); ok || err != nil {
		t.Errorf("the epoch is still here: %v", err)
	}
	// Not in the file, either.
	file := readDatabase(t, a.k.dir, CensusFile)
	for _, p := range of {
		for what, text := range map[string][]byte{"blind": p.blind[:], "secret": p.secret[:], "tag": p.tag[:], "evaluation": p.evaluation.Proof[:]} {
			if bytes.Contains(file, text) {
				t.Fatalf("a %s is still in the file", what)
			}
		}
	}
}

// TestReceiptTooEarly: who asks before there is anything to give hears when there is.
func TestReceiptTooEarly(t *testing.T) {
	t.Parallel()
	i := newIslet(t, 1, "")
	i.open(4)
	r := i.gws[0].reporter(never(), nil)
	t.Cleanup(func() { r.close() })
	closes := time.Unix(i.opened.Closes, 0).UTC()
	for _, c := range []struct {
		now   time.Time
		epoch string
		want  error
		words string
	}{
		{closes.Add(-time.Second), "", errNotYet, "epoch 1 has not closed yet; it closes on " + closes.Format(time.DateTime)},
		{closes.Add(-time.Second), "1", errNotYet, "epoch 1 has not closed yet"},
		{closes, i.opened.ID().String(), errNotYet, "epoch 1 closed on " + closes.Format(time.DateTime)},
		{closes, "", errNotYet, "this gateway has not reported it"},
		{closes, "2", errNoEpoch, ""},
		{time.Unix(i.opened.Audit, 0), "", errNoEpoch, ""},
	} {
		i.now = c.now
		if _, err := r.receipt(1, c.epoch, false); !isError(err, c.want) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("at %v, epoch %q: %v", c.now, c.epoch, err)
		}
	}
}

// TestReceipt: a resident's own evidence verifies, with the hub's acknowledgement
// once that has come, and redeems; door and time are in it only if they are asked for.
func TestReceipt(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 30, 4)
	who := a.people[3]
	get := func(full bool) census.Receipt {
		t.Helper()
		b, err := a.r.receipt(who.passport, "1", full)
		if err != nil {
			t.Fatal(err)
		}
		return yes(census.ParseReceipt(b))
	}
	r := get(false)
	if err := r.Verify(a.rules()); err != nil || r.Opening.Full != nil || r.Opening.Passport != who.passport {
		t.Fatalf("%v %+v", err, r.Opening.Full)
	}
	if held := yes(r.Held(a.rules())); held != 0 {
		t.Errorf("acknowledged at %d by nobody", held)
	}
	a.withheld(r.Marshal(), who.passport)

	// The hub's word comes, and later words do not replace the first.
	for n := range 2 {
		for _, l := range yes(ownLedgers(a.k.folder.Store(), ledger.ReportLog, a.k.id())) {
			note := yes(ledger.Cosign(l.Note, ledger.RoleHold, a.hold, uint64(a.now.Unix())))
			head := yes(ledger.OpenHead(note, l.Author, ledger.Cosigner{Role: ledger.RoleHold, Key: a.hold.Public().(ed25519.PublicKey)}))
			hub := ledger.KeyIDOf(a.hub.Public().(ed25519.PublicKey))
			yes(0, a.k.folder.Store().AddHeld(hub, head, a.now.Unix()))
		}
		look(t, a.r, never())
		held := yes(get(false).Held(a.rules()))
		if want := uint64(a.now.Unix()) - uint64(3600*n); held != want {
			t.Errorf("acknowledged at %d, want %d", held, want)
		}
		a.now = a.now.Add(time.Hour)
	}
	c := census.Closed{Body: ledger.EpochClosed{Epoch: a.opened.ID(), Size: uint64(a.list.Len()), Root: a.list.Root(nil)}, Time: a.now.UnixMilli()}
	if out, err := get(false).RedeemFrom(a.rules(), c, a.list); err != nil || out.Outcome != census.Counted {
		t.Errorf("%v, %v", out.Outcome, err)
	}
	full := get(true)
	if err := full.Verify(a.rules()); err != nil || full.Opening.Full == nil {
		t.Errorf("with door and time: %v", err)
	}
	for _, c := range []struct {
		passport uint64
		epoch    string
		want     error
	}{
		{1000, "", errNoReceipt}, {0, "1", errNoReceipt}, {1, "2", errNoEpoch}, {1, "0", errNoEpoch}, {1, "01", errNoEpoch},
		{1, strings.Repeat("0", 64), errNoEpoch}, {1, "x", errNoEpoch}, {1, "-1", errNoEpoch}, {1, a.opened.ID().String() + "0", errNoEpoch}, {1, " 1", errNoEpoch},
	} {
		if _, err := a.r.receipt(c.passport, c.epoch, false); !isError(err, c.want) {
			t.Errorf("a receipt of passport %d, epoch %q: %v", c.passport, c.epoch, err)
		}
	}
	if _, err := a.r.receipt(who.passport, a.opened.ID().String(), false); err != nil {
		t.Errorf("by the epoch's id: %v", err)
	}
}
