package gateway_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

// raw has the desk's steward write an entry as software of another version does.
func (e *estate) raw(kind ledger.Kind, critical bool, body []byte) {
	e.t.Helper()
	key := must(e.desk.Key(folder.StewardKey))
	self := keyID(must(e.desk.Public(folder.StewardKey)))
	for _, i := range must(e.desk.Store().Ledgers()) {
		if i.Origin.Kind != ledger.NodeLog || i.Origin.Author != self {
			continue
		}
		var salt ledger.Salt
		rand.Read(salt[:])
		now := time.Now()
		entry := ledger.Seal(i.Size, kind, critical, salt, now.UnixMilli(), body)
		tree := i.Tree
		tree.Append(entry.Leaf, nil)
		note := must(ledger.Sign(ledger.Checkpoint{Origin: i.Origin, Size: i.Size + 1, Root: tree.Root()}, key, uint64(now.Unix())))
		head := must(ledger.OpenHead(note, i.Author))
		x := must(ledger.CheckStretch(i.Tree, head, ledger.Stretch{From: i.Size, Entries: []ledger.Entry{entry}}))
		must(e.desk.Store().Extend(now.Unix(), x))
		e.node.Appended()
		return
	}
	e.t.Fatal("the steward has no ledger")
}

func (e *estate) rawBody(b ledger.Body) {
	e.raw(b.Kind(), b.Kind().Critical(), must(ledger.MarshalBody(b)))
}

// TestTwoVersions: a steward's newer software writes what the gateways of this
// version do not know. What is not critical they skip; what is stops that ledger,
// and says so, and the other ledgers go on.
func TestTwoVersions(t *testing.T) {
	t.Parallel()
	e := newEstate(t).run()
	becomes := func(what, reason string) {
		t.Helper()
		e.eventually(10*time.Second, func() error {
			for _, u := range e.gws {
				if d := u.tap(); d.Reason != reason {
					return fmt.Errorf("%s: %s: %+v", what, u.Name, d)
				}
			}
			return nil
		})
	}
	becomes("before", "granted")
	e.raw(999, false, []byte{0x80})
	e.rawBody(&ledger.Bar{Passport: 7, Ends: time.Now().Add(time.Hour).Unix(), Why: "behind what is unknown"})
	becomes("a bar behind an unknown entry that is not critical", "barred")

	e.raw(998, true, []byte{0x80})
	e.rawBody(&ledger.Bar{Passport: 7, Ends: 0, Why: "behind what is critical"})
	for _, u := range e.gws {
		e.eventually(10*time.Second, func() error {
			s := u.StatusNow()
			for _, l := range s.Ledgers {
				if l.Kind == string(ledger.NodeLog) && (l.Behind > 0 || s.Projected[l.Origin] != l.Held-2) {
					return fmt.Errorf("%s holds %d entries, goes by %d, is behind by %d", u.Name, l.Held, s.Projected[l.Origin], l.Behind)
				}
			}
			if !slices.ContainsFunc(s.Problems, func(p string) bool { return strings.Contains(p, "newer software wrote it (kind 998)") }) {
				return fmt.Errorf("%s says %q", u.Name, s.Problems)
			}
			return nil
		})
		e.eventually(5*time.Second, func() error {
			r, err := http.Get("http://" + u.MetricsAddress() + "/metrics")
			if err != nil {
				return err
			}
			defer r.Body.Close()
			if text := string(must(io.ReadAll(r.Body))); !strings.Contains(text, "tombolo_fault{") {
				return fmt.Errorf("%s: no fault in\n%s", u.Name, text)
			}
			return nil
		})
		if d := u.tap(); d.Reason != "barred" {
			t.Errorf("%s goes by what stands behind an entry that it does not know: %+v", u.Name, d)
		}
	}
	// The issuer's ledger goes on.
	e.write(ledger.CommunityLog, &ledger.Suspend{Passport: 7, Why: "a test"})
	e.eventually(5*time.Second, func() error {
		for _, u := range e.gws {
			s := u.StatusNow()
			for _, l := range s.Ledgers {
				if l.Kind == string(ledger.CommunityLog) && (l.Held < 4 || s.Projected[l.Origin] != l.Held) {
					return fmt.Errorf("%s holds %d entries of the issuer's and goes by %d", u.Name, l.Held, s.Projected[l.Origin])
				}
			}
		}
		return nil
	})
	// The steward's tools of this version stop there, too.
	if _, err := e.desk.Gateways(); err == nil || !strings.Contains(err.Error(), "update this program") {
		t.Errorf("the tools read on: %v", err)
	}
}
