package hub

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
