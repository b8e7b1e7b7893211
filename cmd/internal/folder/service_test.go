package folder

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

func TestService(t *testing.T) {
	t.Parallel()
	for role, keys := range map[ledger.AuthorRole]int{ledger.Hub: 3, ledger.Evaluator: 1} {
		f, err := Open(t.TempDir(), true)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s, err := f.NewService(role)
		if err != nil || len(s.Keys) != keys {
			t.Fatalf("%v: %v", s, err)
		}
		data, err := os.ReadFile(filepath.Join(f.Dir(), ServiceFile(role)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseService(data); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%v: %v", got, err)
		}
		if again, err := f.NewService(role); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("anew: %v: %v", again, err)
		}
		if hub, err := f.IsHub(); err != nil || hub != (role == ledger.Hub) {
			t.Errorf("%s: is a hub: %v, %v", role, hub, err)
		}
	}
}

func TestParseServiceMalformed(t *testing.T) {
	t.Parallel()
	f, err := Open(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := f.NewService(ledger.Hub)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(f.Dir(), ServiceFile(ledger.Hub)))
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	hexOf := func(role ledger.AuthorRole) string {
		k := s.Keys[role]
		return hex.EncodeToString(k[:])
	}
	hold, witness := hexOf(ledger.HubHold), hexOf(ledger.HubWitness)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":            {"", ErrJSON},
		"too long":           {text + strings.Repeat(" ", maxRequest), ErrRequestSize},
		"not JSON":           {"{", ErrJSON},
		"another format":     {strings.Replace(text, "v1", "v2", 1), ErrService},
		"another role":       {strings.Replace(text, `"role": "hub"`, `"role": "issuer"`, 1), ErrService},
		"a role's keys":      {strings.Replace(text, `"role": "hub"`, `"role": "evaluator"`, 1), ErrService},
		"a short key":        {strings.Replace(text, hold, hold[2:], 1), ErrRequestKey},
		"a key of zeros":     {strings.Replace(text, hold, strings.Repeat("0", 64), 1), ErrRequestKey},
		"upper case":         {strings.Replace(text, hold, strings.ToUpper(hold[:62])+"AB", 1), ErrRequestKey},
		"a key twice":        {strings.Replace(text, hold, witness, 1), ErrRequestTwice},
		"a key of another":   {strings.Replace(text, "hub-hold", "hub-gold", 1), ErrRequestKey},
		"no TLS key":         {strings.Replace(text, hex.EncodeToString(s.TLS[:]), "", 1), ErrRequestKey},
		"a TLS key of zeros": {strings.Replace(text, hex.EncodeToString(s.TLS[:]), strings.Repeat("0", 64), 1), ErrRequestKey},
		"TLS by another key": {strings.Replace(text, hex.EncodeToString(s.TLS[:]), hold, 1), ErrRequestTwice},
		"another TLS key":    {strings.Replace(text, hex.EncodeToString(s.TLS[:]), strings.Repeat("ab", 32), 1), ErrRequestSignature},
		"keys exchanged":     {strings.NewReplacer(hold, witness, witness, hold).Replace(text), ErrRequestSignature},
		"an unknown field":   {strings.Replace(text, `"role"`, `"rule": 1, "role"`, 1), ErrJSON},
		"something behind":   {text + "{}", ErrService},
		"another signature":  {strings.Replace(text, `"signature": "`, `"signature": "00`, 1), ErrRequestSignature},
	} {
		if _, err := ParseService([]byte(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzParseService(f *testing.F) {
	dir, err := Open(f.TempDir(), true)
	if err != nil {
		f.Fatal(err)
	}
	defer dir.Close()
	for _, role := range []ledger.AuthorRole{ledger.Hub, ledger.Evaluator} {
		if _, err := dir.NewService(role); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir.Dir(), ServiceFile(role)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseService(data); err == nil && len(s.Keys) != len(services[s.Role]) {
			t.Errorf("%v", s)
		}
	})
}

// TestServing: the hub and the evaluator count by the community's charter, and only
// the hub takes reports, of the gateways of registered nodes.
func TestServing(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	hub, err := Open(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	s, err := hub.NewService(ledger.Hub)
	if err != nil {
		t.Fatal(err)
	}
	e, err := hub.NewService(ledger.Evaluator)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := f.Community()
	if err != nil {
		t.Fatal(err)
	}
	next := chain.Next()
	for _, keys := range []map[ledger.AuthorRole][32]byte{s.Keys, e.Keys} {
		for role, key := range keys {
			next.Authors = append(next.Authors, ledger.Author{Role: role, Key: key})
		}
	}
	slices.SortFunc(next.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	b, err := next.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	charterKey, err := f.Key(CharterKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Store().AddCharter(ledger.SignCharter(b, charterKey)); err != nil {
		t.Fatal(err)
	}
	r := rightsOf(t, f)
	author, hold, witness := s.Keys[ledger.Hub], s.Keys[ledger.HubHold], s.Keys[ledger.HubWitness]
	a := r.Authors[ledger.KeyIDOf(author[:])]
	if !slices.Equal(a.Kinds, []ledger.LogKind{ledger.CensusLog}) || [32]byte(a.Hold) != hold || [32]byte(a.Witness) != witness || a.Charter[ledger.CensusLog] != chain.ID() {
		t.Errorf("hub: %+v", a)
	}
	evaluator := e.Keys[ledger.Evaluator]
	if a := r.Authors[ledger.KeyIDOf(evaluator[:])]; len(a.Kinds) != 0 || a.Retired || [32]byte(a.Key) != evaluator {
		t.Errorf("evaluator: %+v", a)
	}
	// The hub's folder: charters, the community's ledgers, a node's directory.
	write(t, f, ledger.DirectoryLog, &ledger.DirectoryKeys{Gateway: "gw1", Keys: gatewayKeys(1)}, &ledger.DirectoryKeys{Gateway: "gw2", Keys: gatewayKeys(2)},
		&ledger.DirectoryGone{Gateway: "gw2", Signing: gatewayKeys(2).Signing})
	node, err := f.Node()
	if err != nil {
		t.Fatal(err)
	}
	give := func() replica.Rights {
		t.Helper()
		var bundle bytes.Buffer
		if _, err := f.Export(&bundle, []ledger.LogKind{ledger.CommunityLog, ledger.DirectoryLog}, nil); err != nil {
			t.Fatal(err)
		}
		report, err := hub.Import(bytes.NewReader(bundle.Bytes()), []ledger.CharterKind{ledger.CommunityCharter}, nil)
		if err != nil || report.Refused() {
			t.Fatalf("%+v: %v", report, err)
		}
		return rightsOf(t, hub)
	}
	kindsOf := func(r replica.Rights, n byte) []ledger.LogKind {
		keys := gatewayKeys(n)
		return r.Authors[ledger.KeyIDOf(keys.Signing[:])].Kinds
	}
	if k := kindsOf(give(), 1); len(k) != 0 {
		t.Errorf("of a node that nobody registered: %v", k)
	}
	write(t, f, ledger.CommunityLog, &ledger.NodeRegistered{Node: node.ID(), Slug: node.Latest().Slug, Doors: 2, Floor: 90})
	r = give()
	if k := kindsOf(r, 1); !slices.Equal(k, []ledger.LogKind{ledger.ReportLog}) {
		t.Errorf("gw1: %v", k)
	}
	if k := kindsOf(r, 2); len(k) != 0 {
		t.Errorf("a gateway that is gone: %v", k)
	}
	if k := kindsOf(rightsOf(t, f), 1); len(k) != 0 {
		t.Errorf("at a desk: %v", k)
	}
}
