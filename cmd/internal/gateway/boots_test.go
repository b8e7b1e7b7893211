package gateway_test

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// TestManyBoots: however often a sibling booted, and began a door log, it is
// listened to.
func TestManyBoots(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	gw1, gw2 := e.gws[0], e.gws[1]
	f := must(folder.Open(gw1.dir, false))
	key := must(f.Key(folder.SigningKey))
	f.Close()
	dir := t.TempDir()
	before := must(store.Open(filepath.Join(dir, "ledgers.db")))
	defer before.Close()
	then := time.Now().Add(-30 * 24 * time.Hour)
	for boot := range access.MaxSiblings + 10 {
		a := must(before.OpenAuthor(store.AuthorConfig{
			Key: key, Community: must(e.desk.CommunityID()), Kind: ledger.DoorLog, Charter: must(e.desk.NodeID()),
			Guard: store.Guard{Dir: filepath.Join(dir, "guard"), Boot: fmt.Sprint(boot)}, Now: func() time.Time { return then }, Rand: rand.Reader,
		}))
		must(a.Append(store.Draft{Body: &ledger.Passage{Seq: 1, Door: "d1"}, Time: then}))
	}
	logs := must(before.Ledgers())
	for _, u := range e.gws {
		there := must(store.Open(filepath.Join(u.dir, "ledgers.db")))
		for _, i := range logs {
			must(there.Ingest(i.Head, time.Now().Unix(), before.Chunks(i, 0)))
		}
		there.Close()
	}
	if len(logs) <= access.MaxSiblings {
		t.Fatalf("%d door logs", len(logs))
	}
	e.run()
	if d := gw1.tap(); !d.Granted {
		t.Fatalf("%+v", d)
	}
	gw1.enter()
	// What is durable at gw2 and was not told shows there.
	e.eventually(60*time.Second, func() error {
		o := gw1.Head().Origin.String()
		for _, l := range gw2.StatusNow().Ledgers {
			if l.Origin == o && l.Held == gw1.Head().Size {
				return nil
			}
		}
		return fmt.Errorf("gw2 does not hold %v", o)
	})
	took := e.eventually(5*time.Second, func() error {
		if d := gw2.tap(); d.Reason != "passback-noted" {
			return fmt.Errorf("at gw2: %s", d.Reason)
		}
		return nil
	})
	t.Logf("gw2 knows after %v, beside %d door logs of before", took, len(logs))
}
