package hub

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// TestBadRequests: each is refused as JSON that says what to do.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{Rate: 1e6, Burst: 1e6})
	s.closeIt(s.epoch)
	id := s.epoch.ID().String()
	hex64 := strings.Repeat("0a", 32)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 404}, {"GET", "/v1", 404}, {"GET", "/v1/", 404}, {"GET", "/v1/epoch", 404}, {"GET", "/v1/epochs/", 404}, {"GET", "/v1//epochs", 404}, {"GET", "/v1/../metrics", 404},
		{"GET", "/v2/epochs", 404}, {"GET", "/v1/epochs/" + id + "/", 404}, {"GET", "/v1/epochs/" + id + "/list/x", 404},
		{"GET", "/v1/epochs/1", 400}, {"GET", "/v1/epochs/" + strings.ToUpper(id), 400}, {"GET", "/v1/epochs/" + id[:63], 400}, {"GET", "/v1/epochs/" + id + "0", 400}, {"GET", "/v1/epochs/" + strings.Repeat("zz", 32), 400},
		{"GET", "/v1/epochs/" + hex64, 404}, {"GET", "/v1/epochs/" + hex64 + "/list", 404},
		{"GET", "/v1/epochs/" + id + "/proof/12", 400}, {"GET", "/v1/epochs/" + id + "/proof/" + strings.ToUpper(hex64), 400}, {"GET", "/v1/epochs/" + id + "/proof/..%2f..", 404},
		{"GET", "/v1/epochs/" + id + "/reports/xyz", 400}, {"GET", "/v1/epochs/" + id + "/reports/" + hex64, 404}, {"GET", "/v1/epochs/" + id + "/openings/" + hex64, 404},
		{"GET", "/v1/epochs?limit=0", 400}, {"GET", "/v1/epochs?limit=1001", 400}, {"GET", "/v1/epochs?limit=-1", 400}, {"GET", "/v1/epochs?limit=01", 400}, {"GET", "/v1/epochs?limit=1&limit=2", 400}, {"GET", "/v1/epochs?limit=", 400},
		{"GET", "/v1/epochs?after=xyz", 400}, {"GET", "/v1/epochs?after=", 400}, {"GET", "/v1/epochs?after=AA", 400}, {"GET", "/v1/epochs?after=" + strings.Repeat("00", 257), 400},
		{"GET", "/v1/epochs?offset=1", 400}, {"GET", "/v1/epochs?limit=%zz", 400}, {"GET", "/v1/epochs?a;b", 400}, {"GET", "/v1/community?x=1", 400},
		{"GET", "/v1/ledgers?kind=door", 400}, {"GET", "/v1/ledgers?kind=report", 400}, {"GET", "/v1/ledgers?kind=node", 400}, {"GET", "/v1/ledgers?kind=", 400},
		{"GET", "/v1/ledgers/door/" + hex64[:32] + "/0000000000000001/bundle", 400}, {"GET", "/v1/ledgers/census/xyz/0000000000000001/bundle", 400},
		{"GET", "/v1/ledgers/census/" + hex64[:32] + "/0000000000000001/bundle", 404}, {"GET", "/v1/ledgers/census%2f..%2fdoor/" + hex64[:32] + "/0000000000000001/bundle", 404},
		{"GET", "/v1/epochs?after=" + strings.Repeat("0", 3000), 414},
		{"POST", "/v1/epochs", 405}, {"PUT", "/v1/epochs/" + id, 405}, {"DELETE", "/v1/epochs/" + id, 405}, {"PATCH", "/metrics", 405}, {"OPTIONS", "/v1/epochs", 405}, {"TRACE", "/healthz", 405}, {"BREW", "/", 405},
	} {
		req := must(http.NewRequest(c.method, s.server.URL+c.path, nil))
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.Do(req)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		var said struct {
			Error    string `json:"error"`
			WhatToDo string `json:"what_to_do"`
		}
		err = json.NewDecoder(resp.Body).Decode(&said)
		resp.Body.Close()
		if resp.StatusCode != c.status || err != nil || said.Error == "" || said.WhatToDo == "" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: %d, %+v, %v", c.method, clip(c.path), resp.StatusCode, said, err)
		}
		if c.status == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow is %q", c.method, resp.Header.Get("Allow"))
		}
	}
}

// TestCaching: what never changes says so, a range is a range, HEAD has no body.
func TestCaching(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	closed, list := s.closeIt(s.epoch)
	ask := func(method, path string, header ...string) (*http.Response, []byte) {
		t.Helper()
		req := must(http.NewRequest(method, s.server.URL+path, nil))
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp := must(http.DefaultClient.Do(req))
		defer resp.Body.Close()
		return resp, must(io.ReadAll(resp.Body))
	}
	path := "/v1/epochs/" + s.epoch.ID().String()
	resp, all := ask("GET", path+"/list")
	tag := resp.Header.Get("ETag")
	if tag != fmt.Sprintf(`"%x"`, closed.Root) || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("%v", resp.Header)
	}
	if resp, b := ask("GET", path+"/list", "If-None-Match", tag); resp.StatusCode != http.StatusNotModified || len(b) > 0 {
		t.Errorf("%d, %d bytes", resp.StatusCode, len(b))
	}
	if resp, b := ask("GET", path+"/list", "Range", "bytes=64-127"); resp.StatusCode != http.StatusPartialContent || !bytes.Equal(b, all[64:128]) {
		t.Errorf("%d, %d bytes", resp.StatusCode, len(b))
	}
	if resp, _ := ask("GET", path+"/list", "Range", "bytes=99999999-"); resp.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("%d", resp.StatusCode)
	}
	for _, p := range []string{"", "/list", "/covers", fmt.Sprintf("/proof/%x", list.At(3).Tag), "/reports", fmt.Sprintf("/reports/%x", s.auditor()), fmt.Sprintf("/openings/%x", s.auditor())} {
		if resp, b := ask("HEAD", path+p); resp.StatusCode != http.StatusOK || len(b) > 0 {
			t.Errorf("HEAD %s: %d, %d bytes", p, resp.StatusCode, len(b))
		}
	}
	for _, p := range []string{"/covers", fmt.Sprintf("/proof/%x", list.At(3).Tag)} {
		resp, _ := ask("GET", path+p)
		if again, _ := ask("GET", path+p, "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: %d", p, again.StatusCode)
		}
	}
	if resp, _ := ask("GET", path); resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", resp.Header)
	}
}

// TestWithheldAPI: of fewer than 20 the API tells nobody anything but the auditors.
func TestWithheldAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	key := must(ecdh.X25519().GenerateKey(rand.Reader))
	e := w.opened(ledger.Auditor{Name: "the press", Sealing: [32]byte(key.PublicKey().Bytes())})
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 19, 0), 10)...)
	w.closeIt(e)
	server := httptest.NewServer(w.hub.Handler())
	defer server.Close()
	c, ctx := &Client{Base: server.URL}, context.Background()
	if a, err := c.Epoch(ctx, e.ID()); err != nil || a.Closed.Passports != nil {
		t.Errorf("%+v, %v", a.Closed, err)
	}
	var r *Refusal
	if err := c.List(ctx, e.ID(), 19, io.Discard, nil); !errors.As(err, &r) || r.Status != http.StatusForbidden {
		t.Error(err)
	}
	if _, _, err := c.Proof(ctx, e.ID(), census.Tag(line(1, 0))); !errors.As(err, &r) || r.Status != http.StatusForbidden {
		t.Error(err)
	}
	reports, body, err := c.Reports(ctx, e.ID(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if one, err := reports.Next(); err != nil || one.Count != 19 || len(one.Tags) != 19*ledger.TagSize {
		t.Errorf("%+v, %v", one.Covered, err)
	}
	// Nothing public says how many.
	for _, path := range []string{"", "/covers", "/reports"} {
		resp := must(http.Get(server.URL + "/v1/epochs/" + e.ID().String() + path))
		b := must(io.ReadAll(resp.Body))
		resp.Body.Close()
		if bytes.Contains(b, []byte(`:19`)) || bytes.Contains(b, []byte(hex.EncodeToString(line(1, 0)[:32]))) {
			t.Errorf("%s: %s", path, b)
		}
	}
}

// TestOccupancy: small zones are withheld, and what they could be computed from.
func TestOccupancy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 3)
	w.opened()
	w.append(w.reporter(0), everyday("hall", 10, 20), everyday("hall", 57, 64), everyday("lab", 40, 40), everyday("attic", 30, 30))
	w.append(w.reporter(1), everyday("hall", 30, 33), everyday("lab", 12, 30))
	w.append(w.reporter(2), everyday("hall", 10, 30))
	server := httptest.NewServer(w.hub.Handler())
	defer server.Close()
	c, ctx := &Client{Base: server.URL}, context.Background()
	a, err := c.Occupancy(ctx)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]ZoneAnswer{}
	for _, n := range a.Nodes {
		for _, z := range n.Zones {
			shown[n.Slug+"/"+z.Zone] = z
		}
	}
	if z := shown["node-gw0/hall"]; z.Sure != 50 || z.Most != 70 {
		t.Errorf("%+v", a)
	}
	for name, z := range shown {
		if z.Sure < ledger.Withheld {
			t.Errorf("%s: %+v", name, z)
		}
	}
	// Of node 1 either the whole or the one large zone is there, not both: the small
	// one would be the difference.
	for _, n := range a.Nodes {
		if n.Slug == "node-gw1" && n.Sure != nil && len(n.Zones) > 0 || n.Slug == "node-gw2" {
			t.Errorf("%+v", n)
		}
	}
	w.at = w.at.Add(freshest + time.Second)
	w.append(w.issuer(), &ledger.NodeRegistered{Node: w.node(2), Slug: "again", Doors: 1, Floor: 1})
	if a, err := c.Occupancy(ctx); err != nil || len(a.Nodes) != 0 || a.Total != nil {
		t.Errorf("stale: %+v, %v", a, err)
	}
}

// TestOpenAPI: the document has exactly the routes that there are, with their
// parameters, and every answer has a schema.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	var doc struct {
		OpenAPI string
		Paths   map[string]struct {
			Get struct {
				Summary    string
				Parameters []struct {
					Ref string `json:"$ref"`
				}
				Responses map[string]any
			}
		}
		Components struct {
			Parameters map[string]struct{ Name, In string }
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatal(err, doc.OpenAPI)
	}
	if len(doc.Paths) != len(routes) {
		t.Errorf("%d paths, %d routes", len(doc.Paths), len(routes))
	}
	for _, r := range routes {
		p, ok := doc.Paths[r.path]
		if !ok || p.Get.Summary == "" || p.Get.Responses["200"] == nil || p.Get.Responses["default"] == nil {
			t.Errorf("%s: %+v", r.path, p)
			continue
		}
		var query, path []string
		for _, ref := range p.Get.Parameters {
			q := doc.Components.Parameters[strings.TrimPrefix(ref.Ref, "#/components/parameters/")]
			if q.In == "query" {
				query = append(query, q.Name)
			} else {
				path = append(path, "{"+q.Name+"}")
			}
		}
		slices.Sort(query)
		if want := slices.Sorted(slices.Values(r.params)); !slices.Equal(query, want) {
			t.Errorf("%s: query %v, want %v", r.path, query, want)
		}
		for _, name := range path {
			if !strings.Contains(r.path, name) {
				t.Errorf("%s has no %s", r.path, name)
			}
		}
		if len(path) != strings.Count(r.path, "{") {
			t.Errorf("%s: %v", r.path, path)
		}
	}
}

// FuzzAPI: whatever is asked for, the answer is one of the API's, and what is refused
// says so as JSON. (`go test -fuzz` of Go 1.26 may end with "context deadline exceeded"
// and no input: that is go.dev/issue/75804.)
func FuzzAPI(f *testing.F) {
	w := newWorld(f, dialects[0], 1)
	e := w.opened()
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 40, 0), 50)...)
	_, list := w.closeIt(e)
	must(w.hub.freshView(nil))
	cfg := w.config(w.store)
	cfg.API = APILimits{Rate: 1e9, Burst: 1e9}
	h := must(New(cfg))
	must(h.freshView(nil))
	h.running.Store(true) // what was seen is good for all of it
	handler := h.Handler()
	named := strings.NewReplacer("{epoch}", e.ID().String(), "{tag}", fmt.Sprintf("%x", list.At(3).Tag), "{auditor}", strings.Repeat("0a", 32), "{kind}", "census", "{author}", idOf("hub").String(), "{incarnation}", "00")
	for _, r := range routes {
		f.Add(r.path, "", "")
		f.Add(named.Replace(r.path), "bytes=0-63,128-", `"x", W/"y"`)
	}
	f.Add("/v1/epochs?after=00&limit=1000", "bytes=-1", "*")
	f.Add("/v1/ledgers?kind=census&limit=1", "bytes=99999999999999999999-", "")
	f.Fuzz(func(t *testing.T, target, ranges, known string) {
		req, err := http.NewRequest("GET", "http://hub"+target, nil)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		req.RequestURI = target
		req.Header.Set("Range", ranges)
		req.Header.Set("If-None-Match", known)
		req.Header.Set("If-Range", known)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		plain := rec.Code == http.StatusNotModified || rec.Code == http.StatusRequestedRangeNotSatisfiable
		if rec.Code >= 500 && req.URL.Path != "/readyz" || rec.Code >= 300 && !plain && !json.Valid(rec.Body.Bytes()) {
			t.Errorf("%q, %q, %q: %d %s", target, ranges, known, rec.Code, rec.Body)
		}
		if rec.Body.Len() > 1<<20 {
			t.Errorf("%q, %q: %d bytes", target, ranges, rec.Body.Len())
		}
	})
}
