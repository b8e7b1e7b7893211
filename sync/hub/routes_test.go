package hub

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// places are the addresses of all routes in a site with a closed and drawn epoch; each
// answers 200.
func (s *site) places() map[string]route {
	s.t.Helper()
	_, list := s.closeIt(s.epoch)
	seed := s.seedFor(list)
	must(s.hub.Draw(s.t.Context(), s.epoch.ID(), seed, s.epoch.Beacon))
	for n, tags := range first(s.drawnBy(list, seed)) {
		for _, tag := range tags {
			s.open(s.reporter(n), seed, tag, s.auditor(), "box")
		}
	}
	s.append(s.issuer(), s.epoch2())
	var a LedgersAnswer
	s.ok(s.client.json(s.t.Context(), "/v1/ledgers", map[string][]string{"kind": {"census"}}, &a))
	o := must(ledger.ParseOrigin(a.Ledgers[0].Origin))
	name := strings.NewReplacer("{epoch}", s.epoch.ID().String(), "{tag}", fmt.Sprintf("%x", list.At(3).Tag), "{auditor}", fmt.Sprintf("%x", s.auditor()),
		"{kind}", string(o.Kind), "{author}", o.Author.String(), "{incarnation}", o.String()[strings.LastIndexByte(o.String(), '/')+1:])
	out := map[string]route{}
	for _, r := range routes {
		out[name.Replace(r.path)] = r
	}
	return out
}

func first[A, B any](a A, _ B) A { return a }

// epoch2 is one more epoch, so that there is more than one.
func (s *site) epoch2() *ledger.EpochOpened { return s.world.epoch(2) }

// TestEveryRoute asks every route what none answers, and what each does.
func TestEveryRoute(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{Rate: 1e6, Burst: 1e6})
	ask := func(method, path string) (*http.Response, string) {
		t.Helper()
		req := must(http.NewRequest(method, s.server.URL+path, nil))
		resp := must(http.DefaultTransport.RoundTrip(req))
		defer resp.Body.Close()
		return resp, string(must(io.ReadAll(resp.Body)))
	}
	refused := func(method, path string, status int) {
		t.Helper()
		resp, body := ask(method, path)
		var said apiError
		if err := json.Unmarshal([]byte(body), &said); resp.StatusCode != status || err != nil || said.Err == "" || said.WhatToDo == "" {
			t.Errorf("%s %s: %d %q, want %d", method, clip(path), resp.StatusCode, clip(body), status)
		}
	}
	for path, r := range s.places() {
		base, and := path, "?"
		if strings.HasSuffix(path, "/ledgers") {
			base, and = path+"?kind=census", "&"
		}
		got, body := ask("GET", base)
		if got.StatusCode != http.StatusOK || body == "" {
			t.Errorf("GET %s: %d %q", base, got.StatusCode, body)
		}
		if resp, body := ask("HEAD", base); resp.StatusCode != http.StatusOK || body != "" || resp.Header.Get("Content-Type") != got.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d %q", base, resp.StatusCode, body)
		}
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"} {
			refused(method, base, http.StatusMethodNotAllowed)
		}
		for _, query := range []string{"x=1", "kind=census&kind=census", "%zz", "a;b", "LIMIT=1", "=", "limit=1&limit=1", "after=00&after=00"} {
			refused("GET", base+and+query, http.StatusBadRequest)
		}
		refused("GET", path+"/", http.StatusNotFound)
		refused("GET", path+"/x/x/x", http.StatusNotFound)
		refused("GET", base+and+strings.Repeat("x", maxURL), http.StatusRequestURITooLong)
		bad := []string{"limit=0", "limit=1001", "limit=-1", "limit=1e2", "limit=+1", "limit=", "limit=99999999999999999999", "limit=0x1", "limit=%31%00", "after=", "after=0", "after=zz", "after=AA", "after=" + strings.Repeat("00", maxCursor+1)}
		if !slices.Contains(r.params, "limit") {
			bad = append(bad, "limit=1", "after=00")
		}
		for _, query := range bad {
			refused("GET", base+and+query, http.StatusBadRequest)
		}
		if slices.Contains(r.params, "limit") {
			s.pages(t, base+and)
		}
	}
}

// pages takes a list one by one, and asks for what is behind its end and before its
// beginning.
func (s *site) pages(t *testing.T, base string) {
	t.Helper()
	page := func(query string) (items []json.RawMessage, next string) {
		t.Helper()
		resp := must(http.Get(s.server.URL + base + query))
		defer resp.Body.Close()
		var a map[string]json.RawMessage
		if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s%s: %d, %v", base, clip(query), resp.StatusCode, err)
		}
		for name, v := range a {
			switch name {
			case "next":
				s.ok(json.Unmarshal(v, &next))
			case "hash":
			default:
				s.ok(json.Unmarshal(v, &items))
			}
		}
		return items, next
	}
	all, next := page("limit=1000")
	if next != "" || len(all) == 0 {
		t.Errorf("%s: %d items and %q", base, len(all), next)
	}
	var each []json.RawMessage
	for query, n := "limit=1", 0; ; n++ {
		items, next := page(query)
		each = append(each, items...)
		if next == "" {
			break
		}
		if len(items) != 1 || n > len(all) {
			t.Fatalf("%s: a page of %d, and %d pages", base, len(items), n)
		}
		query = "limit=1&after=" + next
	}
	if !slices.EqualFunc(all, each, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
		t.Errorf("%s: one by one there are %d of %d", base, len(each), len(all))
	}
	if items, next := page("after=" + strings.Repeat("ff", maxCursor)); len(items) != 0 || next != "" {
		t.Errorf("%s: behind the end are %d", base, len(items))
	}
	if items, _ := page("after=00"); len(items) != len(all) {
		t.Errorf("%s: from the beginning there are %d of %d", base, len(items), len(all))
	}
}

// TestRateEverywhere: no address is answered without end anywhere, and who reads too
// much does not take the hub's own watchers' turn.
func TestRateEverywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{Rate: 0.001, Burst: 3})
	status := func(path string) int {
		resp := must(http.Get(s.server.URL + path))
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for range 3 {
		status("/v1/nothing")
	}
	if got := status("/v1/community"); got != http.StatusTooManyRequests {
		t.Errorf("/v1/community: %d", got)
	}
	for _, path := range []string{"/healthz", "/metrics", "/nothing"} {
		if got := status(path); got == http.StatusTooManyRequests {
			t.Errorf("%s: %d", path, got)
		}
	}
	for _, path := range []string{"/healthz", "/metrics", "/readyz", "/", "/nothing"} {
		if got := status(path); got != http.StatusTooManyRequests {
			t.Errorf("%s: %d", path, got)
		}
	}
}

// TestSilentStore: while the store does not answer, it is asked once.
func TestSilentStore(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	s.hub.asking <- struct{}{} // somebody is asking, and has no answer
	began := time.Now()
	if err := s.hub.Ready(t.Context()); err == nil || time.Since(began) < readyPatience {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	<-s.hub.asking
	must(s.hub.freshView(nil))
	if err := s.hub.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
