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

// site is a world with its API.
type site struct {
	*world
	server *httptest.Server
	client *Client
	epoch  *ledger.EpochOpened
	key    *ecdh.PrivateKey // an auditor's
	tags   [2][]byte        // that the nodes reported
}

func newSite(t *testing.T, limits APILimits) *site {
	t.Helper()
	w := newWorld(t, dialects[0], 2)
	cfg := w.config(w.store)
	cfg.API = limits
	w.hub = must(New(cfg))
	s := &site{world: w, key: must(ecdh.X25519().GenerateKey(rand.Reader)), tags: [2][]byte{lines(0, 40, 0), lines(30, 60, 1)}}
	s.epoch = w.opened(ledger.Auditor{Name: "the press", Sealing: [32]byte(s.key.PublicKey().Bytes())})
	for n, tags := range s.tags {
		w.append(w.reporter(n), w.reportOf(n, s.epoch.ID(), tags, 7)...)
	}
	s.server = httptest.NewServer(w.hub.Handler())
	t.Cleanup(s.server.Close)
	s.client = &Client{Base: s.server.URL, HTTP: s.server.Client()}
	return s
}

func (s *site) auditor() [32]byte { return [32]byte(s.key.PublicKey().Bytes()) }

// TestClient asks for everything, before and after the close.
func TestClient(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	ctx, id := context.Background(), s.epoch.ID()
	if a, err := s.client.Community(ctx); err != nil || a.ID != Hex(s.id()) || !a.Named || a.Estate != (census.Estate{Nodes: 2, Doors: 4, Floor: 200}) {
		t.Errorf("%+v, %v", a, err)
	}
	a, err := s.client.Epoch(ctx, id)
	if err != nil || a.State != "closing" || a.Closed != nil || a.Reports != (ReportCounts{In: 2}) || a.Auditors[0].Name != "the press" {
		t.Errorf("%+v, %v", a, err)
	}
	var r *Refusal
	if err := s.client.List(ctx, id, 60, io.Discard, nil); !errors.As(err, &r) || r.Status != http.StatusNotFound {
		t.Error(err)
	}
	closed, list := s.closeIt(s.epoch)
	all, err := s.client.Epochs(ctx)
	if err != nil || len(all) != 1 || all[0].State != "closed" || *all[0].Closed.Passports != 60 || all[0].Closed.Root != Hex(closed.Root) {
		t.Errorf("%+v, %v", all, err)
	}
	var got bytes.Buffer
	var told int64
	if err := s.client.List(ctx, id, closed.Size, &got, func(done, total int64) { told = done }); err != nil || told != 60*ledger.TagSize {
		t.Errorf("%v, %d bytes", err, told)
	}
	if l := must(census.NewList(got.Bytes())); l.Root(nil) != closed.Root {
		t.Error("another list")
	}
	for _, size := range []uint64{59, 61} {
		if err := s.client.List(ctx, id, size, io.Discard, nil); !errors.Is(err, ErrAnswer) {
			t.Errorf("a list of %d: %v", size, err)
		}
	}
	tag := list.At(11).Tag
	if p, _, err := s.client.Proof(ctx, id, tag); err != nil || p.Verify(closed.Root) != nil || p.Index != 11 {
		t.Errorf("%+v, %v", p, err)
	}
	tag[31] ^= 1
	if _, p, err := s.client.Proof(ctx, id, tag); err != nil || p.Verify(closed.Root, tag) != nil {
		t.Errorf("%+v, %v", p, err)
	}
	covers, err := s.client.Covers(ctx, id)
	if err != nil || len(covers) != 2 || covers[0].Count != 0 || covers[0].TagsRoot != [32]byte{} {
		t.Errorf("%+v, %v", covers, err)
	}
	states, err := s.client.States(ctx, id)
	if err != nil || len(states) != 2 || states[0].State != "covered" || states[1].State != "covered" {
		t.Errorf("%+v, %v", states, err)
	}
	for _, kind := range publicKinds[:2] {
		heads, err := s.client.Heads(ctx, kind)
		if err != nil || len(heads) != 1 {
			t.Fatalf("%+v, %v", heads, err)
		}
		var b bytes.Buffer
		o := must(ledger.ParseOrigin(heads[0].Origin))
		if err := s.client.Bundle(ctx, o, &b); err != nil {
			t.Fatal(err)
		}
		s.readBundle(&b, 1, heads[0].Size)
	}
	var b bytes.Buffer
	if err := s.client.Charters(ctx, &b); err != nil {
		t.Fatal(err)
	}
	s.readBundle(&b, 1, 0)
	if err := s.client.Bundle(ctx, ledger.Origin{Community: s.id(), Kind: ledger.ReportLog, Author: idOf(gatewayName(0))}, io.Discard); !errors.As(err, &r) || r.Status != http.StatusBadRequest {
		t.Errorf("a report ledger: %v", err)
	}
}

// readBundle verifies a bundle of so many charters and one ledger, or none.
func (s *site) readBundle(r io.Reader, charters int, size int64) {
	s.t.Helper()
	b := must(ledger.NewBundleReader(r))
	var v *ledger.Verifier
	var have int64
	for {
		item, err := b.Next()
		if err == io.EOF {
			break
		}
		s.ok(err)
		switch {
		case item.Charter != nil:
			charters--
		case item.Head != nil:
			v = ledger.NewVerifier(must(ledger.OpenHead(item.Head.Note, item.Head.Author)))
		case item.Chunk != nil:
			s.ok(v.Chunk(*item.Chunk))
			have += int64(len(item.Chunk.Entries))
		}
	}
	if charters != 0 || have != size {
		s.t.Errorf("%d charters too few, %d of %d entries", charters, have, size)
	}
}

// TestSealedReports: an auditor whom the epoch names reads every tag of every report,
// and nobody else does; of what was altered nothing counts.
func TestSealedReports(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	ctx, id := context.Background(), s.epoch.ID()
	closed, _ := s.closeIt(s.epoch)
	reports, body, err := s.client.Reports(ctx, id, s.key)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if census.CoversHash(reports.Covers) != closed.Covers {
		t.Error("the covers have another hash")
	}
	var all []byte
	for {
		r, err := reports.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, body, err := r.Shown.Verify(pubKeyOf(r.Origin.Author)); err != nil || body.(*ledger.Reported).Root != r.TagsRoot {
			t.Errorf("%+v, %v", body, err)
		}
		all = append(all, r.Tags...)
	}
	if l := must(census.NewList(census.Merge(all, nil))); l.Root(nil) != closed.Root {
		t.Error("the tags make another list")
	}
	other := must(ecdh.X25519().GenerateKey(rand.Reader))
	var refusal *Refusal
	if _, _, err := s.client.Reports(ctx, id, other); !errors.As(err, &refusal) || refusal.Status != http.StatusNotFound {
		t.Error(err)
	}
	resp := must(http.Get(s.server.URL + fmt.Sprintf("/v1/epochs/%v/reports/%x", id, s.auditor())))
	sealed := must(io.ReadAll(resp.Body))
	resp.Body.Close()
	read := func(key *ecdh.PrivateKey, b []byte) error {
		r, err := OpenReports(key, bytes.NewReader(b))
		for err == nil {
			_, err = r.Next()
		}
		return err
	}
	if err := read(s.key, sealed); err != io.EOF {
		t.Fatal(err)
	}
	flip := func(at int) []byte {
		b := bytes.Clone(sealed)
		b[at] ^= 1
		return b
	}
	first := int(sealed[sealedHeader+32+3]) | int(sealed[sealedHeader+32+2])<<8 // length of the first record
	start := sealedHeader + 32
	for name, c := range map[string]struct {
		key *ecdh.PrivateKey
		b   []byte
		err error
	}{
		"no key":                {nil, sealed, census.ErrAuditorKey},
		"a key of another kind": {must(ecdh.P256().GenerateKey(rand.Reader)), sealed, census.ErrAuditorKey},
		"another auditor":       {other, sealed, ErrSealedReports},
		"nothing":               {s.key, nil, ErrSealedEnd},
		"half a header":         {s.key, sealed[:40], ErrSealedEnd},
		"another format":        {s.key, flip(3), ErrSealedReports},
		"another community":     {s.key, flip(len(sealedMagic)), ErrSealedReports},
		"another epoch":         {s.key, flip(len(sealedMagic) + 32), ErrSealedReports},
		"another ephemeral key": {s.key, flip(sealedHeader + 5), ErrSealedReports},
		"an altered record":     {s.key, flip(len(sealed) / 2), ErrSealedReports},
		"a record of 4 GB":      {s.key, append(bytes.Clone(sealed[:start]), 0xff, 0xff, 0xff, 0xff), ErrSealedReports},
		"an empty record":       {s.key, append(bytes.Clone(sealed[:start]), 0, 0, 0, 0), ErrSealedReports},
		"a record left out":     {s.key, append(bytes.Clone(sealed[:start]), sealed[start+4+first:]...), ErrSealedReports},
		"cut short":             {s.key, sealed[:len(sealed)-1], ErrSealedEnd},
		"without its end":       {s.key, sealed[:len(sealed)-4-1-aeadOverhead], ErrSealedEnd},
		"something behind it":   {s.key, append(bytes.Clone(sealed), 0), ErrSealedReports},
	} {
		if err := read(c.key, c.b); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
}

func pubKeyOf(id ledger.KeyID) []byte {
	for n := range 10 {
		if idOf(gatewayName(n)) == id {
			k := pub(gatewayName(n))
			return k[:]
		}
	}
	return nil
}

// TestHostileHub: what a modified hub seals does not read as a report.
func TestHostileHub(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	closed, _ := s.closeIt(s.epoch)
	covers, marshalled, err := s.hub.covers(&closed)
	s.ok(err)
	shown := func(c census.Covered) []byte {
		info, r, err := s.hub.coveredReport(s.epoch.ID(), c)
		s.ok(err)
		for e, err := range s.store.Entries(info, r.index, r.index+1) {
			s.ok(err)
			return must(encoding.Marshal(must(census.Show(s.store.Reader(info), info.Head, r.index, e))))
		}
		return nil
	}
	tags := s.tags
	if covers[0].Node != s.node(0) {
		tags[0], tags[1] = tags[1], tags[0]
	}
	type record struct {
		kind byte
		b    []byte
	}
	good := []record{{'C', marshalled}, {'S', shown(covers[0])}, {'T', tags[0]}, {'S', shown(covers[1])}, {'T', tags[1]}, {'Z', nil}}
	read := func(all []record) error {
		var b bytes.Buffer
		w := must(newSealer(&b, s.id(), s.epoch.ID(), s.auditor()))
		for _, r := range all {
			s.ok(w.record(r.kind, r.b))
		}
		s.ok(w.w.Flush())
		r, err := OpenReports(s.key, &b)
		for err == nil {
			_, err = r.Next()
		}
		return err
	}
	if err := read(good); err != io.EOF {
		t.Fatal(err)
	}
	with := func(i int, r record) []record {
		all := slices.Clone(good)
		all[i] = r
		return all
	}
	for name, all := range map[string][]record{
		"no covers":           good[1:],
		"malformed covers":    with(0, record{'C', []byte{1}}),
		"a report missing":    slices.Delete(slices.Clone(good), 1, 3),
		"tags missing":        slices.Delete(slices.Clone(good), 2, 3),
		"a tag missing":       with(2, record{'T', tags[0][ledger.TagSize:]}),
		"a tag altered":       with(2, record{'T', append(bytes.Clone(tags[0][:len(tags[0])-1]), 0xaa)}),
		"half a tag":          with(2, record{'T', tags[0][:len(tags[0])-1]}),
		"more tags":           with(2, record{'T', append(bytes.Clone(tags[0]), tags[0]...)}),
		"another's tags":      with(2, record{'T', tags[1]}),
		"another's Reported":  with(1, record{'S', shown(covers[1])}),
		"malformed Reported":  with(1, record{'S', []byte{0xff}}),
		"one report too many": slices.Insert(slices.Clone(good), 5, good[3]),
		"an unknown record":   slices.Insert(slices.Clone(good), 1, record{'X', nil}),
		"a word at the end":   with(5, record{'Z', []byte{1}}),
	} {
		if err := read(all); !errors.Is(err, ErrSealedReports) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpenReports(f *testing.F) {
	key := must(ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{7}, 32)))
	var b bytes.Buffer
	w := must(newSealer(&b, ledger.CharterID{1}, ledger.EpochID{2}, [32]byte(key.PublicKey().Bytes())))
	for _, err := range []error{w.record('C', census.MarshalCovers(nil)), w.close()} {
		if err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:sealedHeader+32])
	f.Add([]byte(sealedMagic))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := OpenReports(key, bytes.NewReader(in))
		for err == nil {
			_, err = r.Next()
		}
		if err == io.EOF && !bytes.Equal(in[:sealedHeader], b.Bytes()[:sealedHeader]) {
			t.Error("what nobody sealed was read")
		}
	})
}

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
	req := must(http.NewRequest("GET", s.server.URL+"/v1/epochs", nil))
	for i := range 400 {
		req.Header.Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 100))
	}
	server := s.hub.Server()
	if server.ReadHeaderTimeout == 0 || server.WriteTimeout == 0 || server.IdleTimeout == 0 || server.MaxHeaderBytes > 64<<10 {
		t.Errorf("%+v", server)
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

// TestOpenings: what gateways sealed for the draw, page by page, and of no other draw
// or auditor.
func TestOpenings(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	_, list := s.closeIt(s.epoch)
	ctx, id := context.Background(), s.epoch.ID()
	seed := [32]byte{9}
	opening := func(n int, seed, auditor [32]byte, at int64) {
		tag := list.At(at).Tag
		s.append(s.reporter(n), &ledger.Opened{Epoch: id, Draw: seed, Tag: tag, Auditor: auditor, Sealed: []byte(fmt.Sprint("box ", at))})
	}
	opening(0, seed, s.auditor(), 3)
	if all, err := s.client.Openings(ctx, id, s.auditor()); err != nil || len(all) != 0 {
		t.Errorf("before the draw: %+v, %v", all, err)
	}
	must(s.hub.Draw(ctx, id, seed, s.epoch.Beacon))
	opening(1, seed, s.auditor(), 1)
	opening(1, seed, s.auditor(), 3)
	opening(0, [32]byte{8}, s.auditor(), 5)
	opening(0, seed, [32]byte{1}, 6)
	all, err := s.client.Openings(ctx, id, s.auditor())
	if err != nil || len(all) != 3 || string(all[0].Sealed) != "box 1" || string(all[1].Sealed) != "box 3" || all[1].Tag != Hex(list.At(3).Tag) {
		t.Errorf("%+v, %v", all, err)
	}
	var a OpeningsAnswer
	path := epochPath(id, fmt.Sprintf("/openings/%x", s.auditor()))
	var tags []Hex
	for after := ""; ; after = a.Next {
		q := map[string][]string{"limit": {"1"}}
		if after != "" {
			q["after"] = []string{after}
		}
		a = OpeningsAnswer{}
		if err := s.client.json(ctx, path, q, &a); err != nil || len(a.Openings) != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		tags = append(tags, a.Openings[0].Tag)
		if a.Next == "" {
			break
		}
	}
	if want := []Hex{Hex(list.At(1).Tag), Hex(list.At(3).Tag), Hex(list.At(3).Tag)}; !slices.Equal(tags, want) {
		t.Errorf("%v", tags)
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

// TestRate: an address that asks too often is told to wait; others are not.
func TestRate(t *testing.T) {
	t.Parallel()
	l := newLimiter(APILimits{Rate: 10, Burst: 3}.withDefaults())
	now := time.Unix(1000, 0)
	for i := range 3 {
		if !l.from("192.0.2.1:1", now) {
			t.Errorf("request %d", i)
		}
	}
	if l.from("192.0.2.1:2", now) {
		t.Error("a fourth at once")
	}
	if !l.from("192.0.2.2:1", now) || !l.from("[2001:db8::1]:1", now) {
		t.Error("another address")
	}
	for range 2 {
		l.from("[2001:db8::2]:1", now)
	}
	if l.from("[2001:db8::3]:1", now) {
		t.Error("a fourth of one network")
	}
	if !l.from("192.0.2.1:3", now.Add(time.Second)) {
		t.Error("a second later")
	}
	for i := range 2 * maxAddresses {
		l.from(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), now)
	}
	if len(l.addresses) > maxAddresses {
		t.Errorf("%d addresses", len(l.addresses))
	}
	s := newSite(t, APILimits{Rate: 0.001, Burst: 2, Heavy: 1})
	codes := ""
	for range 3 {
		resp := must(http.Get(s.server.URL + "/v1/epochs"))
		codes += fmt.Sprint(resp.StatusCode, resp.Header.Get("Retry-After"), " ")
		resp.Body.Close()
	}
	if codes != "200 200 4291 " {
		t.Errorf("%q", codes)
	}
	done, err := newLimiter(APILimits{Heavy: 1, Concurrent: 1}).admit(true)
	if err != nil {
		t.Fatal(err)
	}
	done()
	busy := newLimiter(APILimits{Concurrent: 1})
	if _, err := busy.admit(false); err != nil {
		t.Fatal(err)
	}
	var a *apiError
	if _, err := busy.admit(false); !errors.As(err, &a) || a.status != http.StatusServiceUnavailable {
		t.Error(err)
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

// TestHostileAnswers: a client that a hub lies to says so, and takes no more than it
// should.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	id := ledger.EpochID{1}
	for name, c := range map[string]struct {
		status int
		body   string
		err    error
	}{
		"no JSON":         {200, "<html>", ErrAnswer},
		"empty":           {200, "", ErrAnswer},
		"unknown field":   {200, `{"x":1}`, ErrAnswer},
		"wrong type":      {200, `{"id":1}`, ErrAnswer},
		"short id":        {200, `{"id":"00"}`, ErrAnswer},
		"upper case":      {200, `{"id":"` + strings.Repeat("AB", 32) + `"}`, ErrAnswer},
		"another epoch":   {200, `{"id":"` + strings.Repeat("ab", 32) + `"}`, ErrAnswer},
		"two values":      {200, `{}{}`, ErrAnswer},
		"an odd error":    {500, "oops", ErrAnswer},
		"an empty error":  {404, `{}`, ErrAnswer},
		"a redirect home": {302, "", ErrAnswer},
		"no content":      {204, "", ErrAnswer},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}))
		_, err := (&Client{Base: server.URL}).Epoch(context.Background(), id)
		if !errors.Is(err, c.err) {
			if !(c.status == 302 && err != nil) {
				t.Errorf("%s: %v", name, err)
			}
		}
		server.Close()
	}
	turns := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"epochs":[],"next":"00"}`)
	}))
	defer turns.Close()
	if _, err := (&Client{Base: turns.URL}).Epochs(context.Background()); !errors.Is(err, ErrAnswer) {
		t.Error(err)
	}
	for _, base := range []string{"", "hub.example", "ftp://hub", "http://", "https://hub/?x", "://"} {
		if _, err := (&Client{Base: base}).Epochs(context.Background()); !errors.Is(err, ErrBase) {
			t.Errorf("%q: %v", base, err)
		}
	}
	says := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error":"\u001b[2Jgone","what_to_do":"x"}`)
	}))
	defer says.Close()
	if _, err := (&Client{Base: says.URL}).Epochs(context.Background()); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
}

func FuzzAPI(f *testing.F) {
	for _, r := range routes {
		f.Add(r.path)
	}
	f.Add("/v1/epochs?after=00&limit=1000")
	f.Add("/v1/ledgers/census/00/00/bundle")
	f.Add("/v1/epochs/" + strings.Repeat("0", 64) + "/list")
	w := newWorld(f, dialects[0], 1)
	cfg := w.config(w.store)
	cfg.API = APILimits{Rate: 1e9, Burst: 1e9}
	handler := must(New(cfg)).Handler()
	f.Fuzz(func(t *testing.T, target string) {
		req, err := http.NewRequest("GET", "http://hub"+target, nil)
		if err != nil || !strings.HasPrefix(target, "/") {
			return
		}
		req.RequestURI = target
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		if rec.Code >= 500 && req.URL.Path != "/readyz" || rec.Code >= 300 && !json.Valid(rec.Body.Bytes()) {
			t.Errorf("%q: %d %s", target, rec.Code, rec.Body)
		}
	})
}
