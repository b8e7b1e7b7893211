package gateway_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// convict brings the proof that the author of the steward's ledger of a kind
// signed another history of it to the gateway's folder, as another process does.
func (h *house) convict(kind ledger.LogKind, key folder.Role) ledger.Origin {
	h.t.Helper()
	s := h.steward.Store()
	all := must(s.Ledgers())
	l := all[slices.IndexFunc(all, func(l store.Info) bool { return l.Origin.Kind == kind })]
	note := must(ledger.Sign(ledger.Checkpoint{Origin: l.Origin, Size: l.Size, Root: [32]byte{1}}, must(h.steward.Key(key)), l.Time))
	proof := must(ledger.ProveFork(must(ledger.OpenHead(note, l.Author)), l.Head, ledger.Hashes(s.Reader(l))))
	f := must(folder.Open(h.dir, false))
	defer f.Close()
	if err := f.Store().AddFork(proof, time.Now().Unix()); err != nil {
		h.t.Fatal(err)
	}
	return l.Origin
}

// TestForkIsAnnounced: each proof is written into the door log once, however
// often the gateway starts; it tells of a fault, its doors go on, nothing more
// of that ledger counts.
func TestForkIsAnnounced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	r := h.run()
	// convicted awaits the proof's announcement and the fault, in any order.
	convicted := func(o ledger.Origin) {
		t.Helper()
		proof, fault := false, false
		await(r, "the fork and its fault", func(b ledger.Body) bool {
			switch b := b.(type) {
			case *ledger.ForkSeen:
				a, _, err := must(ledger.ParseFork(b.Evidence)).Heads()
				proof = proof || err == nil && a.Origin == o
			case *ledger.Fault:
				fault = fault || !b.Cleared && strings.HasPrefix(b.Part, string(o.Kind)+"/") && strings.Contains(b.What, "two histories")
			}
			return proof && fault
		})
	}
	issuer := h.convict(ledger.CommunityLog, folder.IssuerKey)
	convicted(issuer)
	h.write(ledger.CommunityLog, &ledger.Suspend{Passport: 7, Why: "by whoever has the key"})
	f := must(folder.Open(h.dir, false))
	report := must(f.Import(bytes.NewReader(h.export().Bytes()), nil, nil))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(report.Ledgers, func(l folder.LedgerImport) bool { return l.Origin == issuer }); !errors.Is(report.Ledgers[i].Refused, folder.ErrForked) {
		t.Errorf("%+v", report.Ledgers)
	}
	if d := r.tap(h.phone); !d.Granted || d.Reason != "granted" {
		t.Errorf("the doors go on: %+v", d)
	}
	r.stop()

	// The second proof comes after the first: when it is announced the first
	// would have been announced again.
	r = h.run()
	steward := h.convict(ledger.NodeLog, folder.StewardKey)
	convicted(steward)
	r.stop()
	count := map[ledger.Origin]int{}
	_, bodies := h.doorLog()
	for i, b := range bodies {
		if b, ok := b.(*ledger.ForkSeen); ok {
			a, _, err := must(ledger.ParseFork(b.Evidence)).Heads()
			if count[a.Origin]++; err != nil || i < 2 {
				t.Errorf("entry %d: %v", i, err)
			}
		}
	}
	if len(count) != 2 || count[issuer] != 1 || count[steward] != 1 {
		t.Errorf("announced: %v", count)
	}
	if !strings.Contains(h.log.String(), "an author signed two histories") {
		t.Error("the daemon's log says nothing")
	}
	found := 0
	for _, f := range gateway.Check(h.wiring(""), time.Now()) {
		if strings.Contains(f.What, "two histories") {
			found++
		}
	}
	if found != 2 {
		t.Errorf("check finds %d", found)
	}
}

// TestRemovedGateway: a gateway that a steward removed says so, and its doors
// go on.
func TestRemovedGateway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := h.init()
	h.approve(request)
	r := h.run()
	h.write(ledger.NodeLog, &ledger.GatewayRemoved{Gateway: "gw1", Signing: request.Keys.Signing, Why: "stolen"})
	h.carry()
	await(r, "the fault", func(f *ledger.Fault) bool { return f.Part == "enrolment" && strings.Contains(f.What, "(stolen)") })
	if d := r.tap(h.phone); !d.Granted {
		t.Errorf("%+v", d)
	}
}
