package epoch

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/hub/evaluator"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// bytes: nothing of a door log, and none of the secrets by which a gateway asked, is
// in what it sent or in what the hub serves.
func (a *adversary) bytes(t *testing.T) {
	needles := map[string]string{}
	units := []string{"casa1", "casa2", "mare1", "monte1"}
	a.w.eachEntry(t, units, func(e ledger.Entry, body ledger.Body) {
		needles[string(e.Leaf)] = "a leaf"
		if _, first := body.(*ledger.Begin); !first && len(e.Body) >= 16 { // Begin is the report ledger's, too
			needles[string(e.Body)] = "an entry"
		}
		switch b := body.(type) {
		case *ledger.Decision:
			if tap, err := passport.ParseTap(b.Presentation); err == nil {
				needles[string(tap.Nonce[:])], needles[string(tap.Sig[:])] = "a nonce", "a signature"
			}
		case *ledger.Attendance:
			needles[string(b.Place[:])], needles[string(b.Time[:])] = "a place", "a time"
			needles[string(b.Seen[:])], needles[string(b.Signature[:])] = "a passage", "a signature"
		}
	})
	for _, name := range units {
		db := must(store.Database(a.w.unit(name).dir+"/census.db", 1))
		rows := must(db.Query("SELECT blind, secret FROM presence"))
		for rows.Next() {
			var blind, secret []byte
			if err := rows.Scan(&blind, &secret); err != nil {
				t.Fatal(err)
			}
			salt := census.Salt(secret).TagSalt()
			needles[string(blind)], needles[string(secret)], needles[string(salt[:])] = "a blind", "a secret", "a salt"
		}
		rows.Close()
		db.Close()
	}
	found := func(b []byte) (out []string) {
		for n, what := range needles {
			if bytes.Contains(b, []byte(n)) {
				out = append(out, what)
			}
		}
		return out
	}
	for _, p := range a.spy.sent() {
		if what := found(p.payload); len(what) > 0 {
			t.Errorf("%s sends %v in %s", p.unit, what, p.topic)
		}
		if f := strings.Split(p.topic, "/"); len(f) > 3 && f[3] != "hub" && f[3] != "all" {
			t.Errorf("%s sends in the place %s of %s", p.unit, f[3], p.topic)
		}
		if strings.Contains(p.topic, "/door/") {
			t.Errorf("%s sends %s", p.unit, p.topic)
		}
	}
	for _, file := range []string{"ledgers.db", "ledgers.db-wal"} {
		if what := found(must(os.ReadFile(a.w.path("hub", file)))); len(what) > 0 {
			t.Errorf("the hub's %s has %v", file, what)
		}
	}
	a.w.at(a.w.unit("casa1").dir, "ledger", "export", "--kind", "door", "--out", a.w.path("door.tombolo"))
	if got := found(must(os.ReadFile(a.w.path("door.tombolo")))); !slices.Contains(got, "a nonce") || !slices.Contains(got, "a place") || !slices.Contains(got, "a leaf") {
		t.Errorf("in a door log itself there is only %v: the search is none", got)
	}
}

// sizes: asks are as long as each other and openings, too, however many came.
func (a *adversary) sizes(t *testing.T) {
	asks := map[int]int{}
	for _, p := range a.spy.sent() {
		if _, body, ok := exchanged(p); ok && len(body) > 1024 { // to the evaluator
			asks[len(body)]++
		}
	}
	sealed := map[int]int{}
	for _, b := range a.opened {
		sealed[len(b.Sealed)]++
	}
	if len(asks) != 1 || len(sealed) != 1 {
		t.Errorf("asks of %v bytes, openings of %v", asks, sealed)
	}
}

// published: he crawls the hub's API for what says how many a node reported.
func (a *adversary) published(t *testing.T) {
	var sizes []int
	for n, e := range a.epochs {
		path := "/v1/epochs/" + e.ID.String()
		for _, part := range []struct {
			path, list string
			fields     []string
		}{{"/covers", "covers", []string{"ledger", "node", "root"}}, {"/reports", "reports", []string{"fault", "ledger", "node", "slug", "state"}}} {
			status, body := a.w.get(path + part.path)
			var answer map[string]json.RawMessage
			var all []map[string]any
			if status != 200 || json.Unmarshal(body, &answer) != nil || json.Unmarshal(answer[part.list], &all) != nil || len(all) == 0 {
				t.Fatalf("%s: %d %s", part.path, status, body)
			}
			for _, line := range all {
				for field := range line { // how long a report ledger is says how many were opened the last time
					if !slices.Contains(part.fields, field) {
						t.Errorf("%s says %s", part.path, field)
					}
				}
			}
		}
		status, body := a.w.get(path + "/reports/" + a.auditor)
		if status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		sizes = append(sizes, len(body))
		status, body = a.w.get(path + "/list")
		if short := n == 2; short && status == 200 || !short && len(body) != 24*ledger.TagSize {
			t.Errorf("epoch %d: %d, a list of %d bytes", n+1, status, len(body))
		}
		status, body = a.w.get(path)
		var one struct{ Closed struct{ Passports *int } }
		if status != 200 || json.Unmarshal(body, &one) != nil || (one.Closed.Passports == nil) != (n == 2) {
			t.Errorf("epoch %d: %s", n+1, body)
		}
	}
	if sizes[0] != sizes[1] || sizes[1] != sizes[2] {
		t.Errorf("what is sealed of 24, 24 and 3 passports has %v bytes", sizes)
	}
	status, body := a.w.get("/metrics")
	if status != 200 {
		t.Fatalf("%d", status)
	}
	for _, line := range strings.Split(string(body), "\n") {
		if strings.HasPrefix(line, "tombolo_") && strings.Contains(line, "{") {
			t.Errorf("a figure of somebody's: %s", line)
		}
	}
}

// overQuota: the gateway's share of an epoch is what it is, whoever asks by its key.
func (w *world) overQuota(t *testing.T, e folder.Epoch) {
	f := must(folder.Open(w.path("evaluator"), false))
	defer f.Close()
	author, gateway := must(f.Key(folder.EvaluatorKey)), must(folder.Open(w.unit("mare1").dir, false))
	defer gateway.Close()
	signing, rights := must(gateway.Key(folder.SigningKey)), must(f.Rights())
	ev := must(evaluator.Open(evaluator.Config{
		Dir: w.path("evaluator", "epochs"), Community: must(f.CommunityID()), Author: author, Rights: f.Rights,
		Epochs: func() ([]ledger.EpochOpened, error) { return []ledger.EpochOpened{*e.Opened}, nil },
	}))
	defer ev.Close()
	ask := func() census.EvaluateAnswer {
		body := census.EvaluateAsk{Epoch: e.ID}
		for range census.BatchSize {
			body.Elements = append(body.Elements, must(census.Padding(rand.Reader)))
		}
		return must(census.ParseEvaluateAnswer(ev.Answer(t.Context(), ledger.KeyID{}, census.SignAsk(signing, rights.Community, e.Opened.Evaluator, body.Marshal()))))
	}
	batches := 1 // that it asked itself
	for ; ; batches++ {
		a := ask()
		if a.Refused == census.RefusedQuota && len(a.Evaluations) == 0 {
			break
		}
		if a.Refused != "" || batches > 1000 {
			t.Fatalf("%q after %d batches", a.Refused, batches)
		}
	}
	if most := int(e.Opened.Quota) / census.BatchSize; batches != most {
		t.Errorf("%d batches, and the quota is for %d", batches, most)
	}
}
