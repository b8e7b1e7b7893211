package ledger

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestBodiesRoundTrip(t *testing.T) {
	t.Parallel()
	for _, kind := range KnownKinds() {
		generate, ok := generators[kind]
		if !ok {
			t.Errorf("no generator for %v", kind)
			continue
		}
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				body := generate(t)
				if body.Kind() != kind {
					t.Fatalf("%T is %v", body, body.Kind())
				}
				b, err := MarshalBody(body)
				if err != nil {
					t.Fatal(err)
				}
				again, err := ParseBody(kind, b)
				if err != nil || !reflect.DeepEqual(again, body) {
					t.Fatalf("%+v became %+v, %v", body, again, err)
				}
				for n := range b { // what is left out at the end is missed
					if _, err := ParseBody(kind, b[:n]); !errors.Is(err, ErrBody) {
						t.Fatalf("%d of %d bytes: %v", n, len(b), err)
					}
				}
				if _, err := ParseBody(kind, append(b, 0)); !errors.Is(err, ErrBody) {
					t.Fatalf("a byte more: %v", err)
				}
			})
		})
	}
}

var allLogs = []LogKind{CommunityLog, NodeLog, DirectoryLog, DoorLog, ReportLog, CensusLog}

// Each kind stands in the ledgers that the design gives it to.
func TestKindsBelong(t *testing.T) {
	t.Parallel()
	for _, k := range KnownKinds() {
		var in []LogKind
		for _, l := range allLogs {
			if k.In(l) {
				in = append(in, l)
			}
		}
		want := []LogKind{DoorLog}
		switch {
		case k < 16:
			want = allLogs
		case k < 32:
			want = []LogKind{CommunityLog}
		case k < 64:
			want = []LogKind{NodeLog}
		case k >= 128:
			want = []LogKind{CensusLog}
		case k >= 112:
			want = []LogKind{ReportLog}
		case k >= 96:
			want = []LogKind{DirectoryLog}
		}
		if !reflect.DeepEqual(in, want) {
			t.Errorf("%v belongs in %v, want %v", k, in, want)
		}
		if critical := k < 64 && k != KindNodeRegistered && k != KindNodeVouched && k != KindGatewayVouched && k != KindOpen &&
			k != KindEpochOpened && k != KindFiguresSigned; k.Critical() != critical {
			t.Errorf("%v is critical: %v", k, k.Critical())
		}
	}
	if k := Kind(999); k.Known() || k.Critical() || k.In(DoorLog) || k.String() != "kind 999" {
		t.Errorf("%v is known", k)
	}
	if _, err := ParseBody(999, []byte{0x80}); !errors.Is(err, ErrUnknownKind) {
		t.Errorf("%v", err)
	}
}

// A body that the author's own side gets wrong is refused before it is written.
func TestMarshalBodyMalformed(t *testing.T) {
	t.Parallel()
	keys := GatewayKeys{Signing: [32]byte{1}, Hold: [32]byte{2}, Witness: [32]byte{3}, Sealing: [32]byte{4}, TLS: [32]byte{5}}
	twice, missing := keys, keys
	twice.TLS, missing.Hold = twice.Signing, [32]byte{}
	owner, key, sig := [20]byte{1}, [32]byte{1}, [64]byte{1}
	long := strings.Repeat("x", 201)
	door := Origin{Community: testCommunity, Kind: DoorLog}.String()
	node := Origin{Community: testCommunity, Kind: NodeLog}.String()
	for _, c := range []struct {
		body Body
		says string
	}{
		{&Begin{}, "no charter"},
		{&Begin{Charter: testCommunity, Predecessor: &Predecessor{Size: 1}}, "generation 0 names"},
		{&Begin{Charter: testCommunity, Generation: 1, Predecessor: &Predecessor{}}, "size is 0"},
		{&Dropped{First: 0, Last: 1, Why: "x"}, "entries 0 to 1"},
		{&Dropped{First: 2, Last: 1, Why: "x"}, "entries 2 to 1"},
		{&Dropped{First: 1, Last: 1}, "why has 0 characters"},
		{&Dropped{First: 1, Last: 1, Why: long}, "why has 201 characters"},
		{&Admit{Passport: 1, Class: "x", NotAfter: 1}, "no owner"},
		{&Admit{Owner: owner, Class: "x", NotAfter: 1}, "passport 0"},
		{&Admit{Passport: 1, Owner: owner, NotAfter: 1}, `class "" has 0`},
		{&Admit{Passport: 1, Owner: owner, Class: strings.Repeat("x", 33), NotAfter: 1}, "has 33"},
		{&Admit{Passport: 1, Owner: owner, Class: "Resident", NotAfter: 1}, "only a–z"},
		{&Admit{Passport: 1, Owner: owner, Class: "x"}, "valid from 0 until 0"},
		{&Admit{Passport: 1, Owner: owner, Class: "x", NotBefore: -1, NotAfter: 1}, "valid from -1"},
		{&Suspend{}, "passport 0"},
		{&Suspend{Passport: 1, Why: "two\nlines"}, "control character"},
		{&Suspend{Passport: 1, Why: "\x9b31m"}, "not UTF-8"},
		{&Suspend{Passport: 1, Why: "\u009b31m"}, "control character"},
		{&Suspend{Passport: 1, Why: "\u202eevil"}, "control character"},
		{&Reinstate{}, "passport 0"},
		{&Expel{}, "passport 0"},
		{&DoorKeyAdded{}, "delegation of 0"},
		{&DoorKeyAdded{Delegation: make([]byte, 1025)}, "delegation of 1025"},
		{&DoorKeyRevoked{Key: key}, "passport 0"},
		{&DoorKeyRevoked{Passport: 1}, "no key"},
		{&DoorKeyRevoked{Passport: 1, Key: key, Wallet: make([]byte, 1025)}, "word of 1025"},
		{&NodeRegistered{Slug: "x"}, "no node"},
		{&NodeRegistered{Node: testCommunity}, `node ""`},
		{&NodeVouched{Steward: key, Signature: sig}, "no node"},
		{&NodeVouched{Node: testCommunity, Signature: sig}, "no steward"},
		{&NodeVouched{Node: testCommunity, Steward: key}, "nothing is signed"},
		{&GatewayVouched{Reader: [33]byte{2}, Signature: sig}, "no gateway"},
		{&GatewayVouched{Gateway: key, Reader: [33]byte{4}, Signature: sig}, "not a compressed point"},
		{&GatewayVouched{Gateway: key, Signature: sig}, "not a compressed point"},
		{&GatewayVouched{Gateway: key, Reader: [33]byte{3}}, "nothing is signed"},
		{&GatewayEnrolled{Keys: keys}, `gateway ""`},
		{&GatewayEnrolled{Gateway: "x", Keys: twice}, "two roles"},
		{&GatewayEnrolled{Gateway: "x", Keys: missing}, "key is missing"},
		{&GatewayRemoved{Gateway: "x"}, "no key"},
		{&GatewayRemoved{Signing: key}, `gateway ""`},
		{&Policy{File: []byte("x")}, "version 0"},
		{&Policy{Version: 1}, "0 bytes"},
		{&Policy{Version: 1, File: make([]byte, MaxPolicy+1)}, "261121 bytes"},
		{&Home{Passport: 1, Owner: [20]byte{1}}, `door ""`},
		{&Home{Door: "x", Passport: 1}, "no wallet"},
		{&Home{Door: "x", Owner: [20]byte{1}}, "passport 0"},
		{&Home{Door: "x", Passport: 1, Owner: [20]byte{1}, Notice: MaxNotice + 1}, "a notice of"},
		{&HomeEnded{Door: "x", Passport: 1, Ends: -1}, "ends at -1"},
		{&Decision{Door: "x", Mode: "tap"}, "reason has 0"},
		{&Decision{Door: "x", Reason: "ok"}, "mode has 0"},
		{&Decision{Door: "x", Mode: "tap", Reason: "ok", Key: []byte{1}}, "key id of 1"},
		{&Decision{Door: "x", Mode: "tap", Reason: "ok", Presentation: make([]byte, 513)}, "presentation of 513"},
		{&Decision{Door: "x", Mode: "tap", Reason: "ok", RosterAge: -2}, "roster age -2"},
		{&Passage{}, `door ""`},
		{&DoorState{Door: "x"}, "state has 0"},
		{&Input{Door: "x"}, "input has 0"},
		{&Boot{Software: "x"}, "clock has 0"},
		{&Boot{Software: "x", Clock: "known", Kinds: make([]Kind, 1001)}, "1001 kinds"},
		{&Fault{What: "x"}, "part has 0"},
		{&Fault{Part: "x", What: strings.Repeat("é", 401)}, "what has 401"},
		{&ForkSeen{}, ""},
		{&Snapshot{Size: 9}, "lists nothing"},
		{&Snapshot{Size: 9, Superseded: make([]byte, MaxSuperseded+1)}, "a list of 131073"},
		{&Snapshot{Superseded: []byte{1, 1}}, "a snapshot of 0"},
		{&Snapshot{Size: maxSize + 1, Superseded: []byte{1, 1}}, "a snapshot of 281474976710657"},
		{&Snapshot{Size: 9, Superseded: []byte{1}}, "minimal uvarint"},
		{&Snapshot{Size: 9, Superseded: []byte{1, 0x81, 0}}, "minimal uvarint"},
		{&Snapshot{Size: 9, Superseded: []byte{0x81, 0, 1}}, "minimal uvarint"},
		{&Snapshot{Size: 9, Superseded: []byte{1, 1, 0x80}}, "minimal uvarint"},
		{&Snapshot{Size: 9, Superseded: bytes.Repeat([]byte{0xff}, 11)}, "minimal uvarint"},
		{&Snapshot{Size: 9, Superseded: []byte{0, 1}}, "two that touch"},
		{&Snapshot{Size: 9, Superseded: []byte{1, 0}}, "an empty run"},
		{&Snapshot{Size: 9, Superseded: []byte{1, 1, 0, 1}}, "two that touch"},
		{&Snapshot{Size: 9, Superseded: []byte{1, 9}}, "beyond 9 entries"},
		{&Snapshot{Size: 9, Superseded: []byte{1, 1, 3, 5}}, "beyond 9 entries"},
		{&Snapshot{Size: 9, Superseded: []byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}}, "beyond 9 entries"},
		{&Open{Why: "x"}, `door ""`},
		{&Open{Door: "x", Why: long}, "why has 201"},
		{&Siblings{Heard: []Source{{Origin: node}}}, "on a node ledger"},
		{&Siblings{Heard: []Source{{Origin: "x"}}}, "does not begin with"},
		{&Siblings{Heard: []Source{{Origin: door, Size: -1}}}, "-1 entries"},
		{&Siblings{Heard: []Source{{Origin: door}, {Origin: door}}}, "out of order"},
		{&Siblings{Heard: make([]Source, MaxSources+1)}, "1001 ledgers"},
		{&Siblings{Missing: []string{"b", "a"}}, "gateway a is out of order"},
		{&Siblings{Missing: []string{"A"}}, "only a–z"},
		{&Ordered{Origin: door, Index: 1, Door: "x"}, "in a door ledger"},
		{&Ordered{Origin: "x", Index: 1, Door: "x"}, "does not begin with"},
		{&Ordered{Origin: node, Door: "x"}, "entry 0 is no order"},
		{&Ordered{Origin: node, Index: 1}, `door ""`},
		{&PolicyTried{Hash: key}, "version 0"},
		{&PolicyTried{Version: 1, Why: strings.Repeat("x", 401)}, "why has 401"},
		{&Expired{Before: 1, Why: "x"}, "between Begin and entry 1"},
		{&Expired{Before: 2}, "why has 0"},
		{&DirectoryKeys{Keys: keys}, `gateway ""`},
		{&DirectoryKeys{Gateway: "x", Keys: twice}, "two roles"},
		{&DirectoryGone{Gateway: "x"}, "no key"},
		{&DirectoryGone{Signing: key}, `gateway ""`},
	} {
		_, err := MarshalBody(c.body)
		refused(t, err, ErrBody, c.says)
	}
}

// with is a valid body with one thing changed.
func with[B any](body B, change func(*B)) *B {
	change(&body)
	return &body
}

func TestMarshalCensusMalformed(t *testing.T) {
	t.Parallel()
	key, sig, epoch := [32]byte{1}, [64]byte{1}, EpochID{1}
	long := strings.Repeat("x", 201)
	door := Origin{Community: testCommunity, Kind: DoorLog}.String()
	report := Origin{Community: testCommunity, Kind: ReportLog}.String()
	opened := EpochOpened{Number: 1, Opens: 1, Closes: 2, Audit: 3, Key: key, Evaluator: key, Offer: sig, Beacon: "block 9", Sample: 300, Quota: 64,
		Auditors: []Auditor{{Name: "a", Sealing: [32]byte{1}}, {Name: "b", Sealing: [32]byte{2}}}}
	figures := FiguresSigned{Epoch: epoch, Figures: []Figure{{Name: "income", Unit: "EUR", People: 20}, {Name: "rent", Unit: "EUR", People: 20}}}
	attended := Attendance{Epoch: epoch, Passport: 1, Key: [33]byte{2}, KeyKind: 1, Place: key, Time: key, Signature: sig, Seen: key}
	tags := CensusTags{Epoch: epoch, Tags: make([]byte, 2*TagSize)}
	tags.Tags[TagSize] = 1
	reported := Reported{Epoch: epoch, Node: testCommunity, Parts: 2, Count: 2, Log: Source{Origin: door, Size: 1}}
	answer := Opened{Epoch: epoch, Auditor: key, Sealed: []byte{1}}
	closed := EpochClosed{Epoch: epoch, Size: Withheld, Rules: 1, Reports: 1}
	draw := Draw{Epoch: epoch, Size: Withheld, Seed: key, Source: "block 9"}
	occupancy := Occupancy{Zone: "house", Sure: 20, Most: 20}
	for _, good := range []Body{&opened, &figures, &attended, &tags, &reported, &answer, &closed, &draw, &occupancy} {
		if _, err := MarshalBody(good); err != nil {
			t.Fatal(err)
		}
	}
	open := func(f func(*EpochOpened)) Body {
		b := opened
		b.Auditors = slices.Clone(b.Auditors)
		f(&b)
		return &b
	}
	figure := func(f func(*Figure)) Body {
		b := figures
		b.Figures = slices.Clone(b.Figures)
		f(&b.Figures[1])
		return &b
	}
	for _, c := range []struct {
		body Body
		says string
	}{
		{open(func(b *EpochOpened) { b.Number = 0 }), "epoch 0"},
		{open(func(b *EpochOpened) { b.Opens = -1 }), "an epoch from -1"},
		{open(func(b *EpochOpened) { b.Closes = 1 }), "until 1,"},
		{open(func(b *EpochOpened) { b.Audit = 2 }), "audited until 2"},
		{open(func(b *EpochOpened) { b.Audit = math.MaxInt64 }), "audited until 9223372036854775807"},
		{open(func(b *EpochOpened) { b.Key = [32]byte{} }), "no evaluator's key"},
		{open(func(b *EpochOpened) { b.Evaluator = [32]byte{} }), "no evaluator's key"},
		{open(func(b *EpochOpened) { b.Offer = [64]byte{} }), "nothing is signed"},
		{open(func(b *EpochOpened) { b.Sample = 0 }), "0 tags to be drawn"},
		{open(func(b *EpochOpened) { b.Quota = 0 }), "a quota of 0"},
		{open(func(b *EpochOpened) { b.Beacon = "" }), "beacon has 0"},
		{open(func(b *EpochOpened) { b.Beacon = long }), "beacon has 201"},
		{open(func(b *EpochOpened) { b.Beacon = "block\n9" }), "control character"},
		{open(func(b *EpochOpened) { b.Auditors = make([]Auditor, MaxAuditors+1) }), "65 auditors"},
		{open(func(b *EpochOpened) { b.Auditors[0].Sealing = [32]byte{} }), "ascending and distinct"},
		{open(func(b *EpochOpened) { b.Auditors[1].Sealing = [32]byte{1} }), "ascending and distinct"},
		{open(func(b *EpochOpened) { slices.Reverse(b.Auditors) }), "ascending and distinct"},
		{open(func(b *EpochOpened) { b.Auditors[1].Name = "" }), "auditor has 0"},
		{open(func(b *EpochOpened) { b.Auditors[1].Name = "\u202eb" }), "control character"},
		{with(figures, func(b *FiguresSigned) { b.Epoch = EpochID{} }), "no epoch"},
		{with(figures, func(b *FiguresSigned) { b.Figures = nil }), "0 figures"},
		{with(figures, func(b *FiguresSigned) { b.Figures = make([]Figure, 65) }), "65 figures"},
		{figure(func(f *Figure) { f.Name = "income" }), "ascending and distinct"},
		{figure(func(f *Figure) { f.Name = "Rent" }), "ascending and distinct"},
		{figure(func(f *Figure) { f.Name = "rent!" }), "only a–z"},
		{figure(func(f *Figure) { f.Unit = "" }), "unit has 0"},
		{figure(func(f *Figure) { f.Unit = long }), "unit has 201"},
		{figure(func(f *Figure) { f.People = Withheld - 1 }), "a total over 19 people"},
		{with(attended, func(b *Attendance) { b.Epoch = EpochID{} }), "no epoch"},
		{with(attended, func(b *Attendance) { b.Passport = 0 }), "passport 0"},
		{with(attended, func(b *Attendance) { b.Key = [33]byte{} }), "not a compressed point"},
		{with(attended, func(b *Attendance) { b.Key[0] = 4 }), "not a compressed point"},
		{with(attended, func(b *Attendance) { b.KeyKind = 0 }), "no kind of door key"},
		{with(attended, func(b *Attendance) { b.Signature = [64]byte{} }), "nothing is signed"},
		{with(attended, func(b *Attendance) { b.Place = [32]byte{} }), "commitment is missing"},
		{with(attended, func(b *Attendance) { b.Time = [32]byte{} }), "commitment is missing"},
		{with(attended, func(b *Attendance) { b.Seen = [32]byte{} }), "commitment is missing"},
		{with(occupancy, func(b *Occupancy) { b.Zone = "" }), `zone ""`},
		{with(occupancy, func(b *Occupancy) { b.Most = 19 }), "at least 20 and at most 19"},
		{with(tags, func(b *CensusTags) { b.Epoch = EpochID{} }), "no epoch"},
		{with(tags, func(b *CensusTags) { b.Tags = nil }), "tags of 0 bytes"},
		{with(tags, func(b *CensusTags) { b.Tags = b.Tags[1:] }), "tags of 127 bytes"},
		{with(tags, func(b *CensusTags) { b.Tags = make([]byte, (MaxTags+1)*TagSize) }), "tags of 65600 bytes"},
		{with(tags, func(b *CensusTags) { b.Tags = make([]byte, 2*TagSize) }), "strictly ascending"},
		{with(tags, func(b *CensusTags) {
			b.Tags = append(make([]byte, TagSize), b.Tags[:TagSize]...)
			b.Tags[2*TagSize-1] = 1
		}), "strictly ascending"},
		{with(tags, func(b *CensusTags) { b.Tags = slices.Concat(b.Tags[TagSize:], b.Tags[:TagSize]) }), "strictly ascending"},
		{with(reported, func(b *Reported) { b.Epoch = EpochID{} }), "no epoch"},
		{with(reported, func(b *Reported) { b.Node = CharterID{} }), "no node"},
		{with(reported, func(b *Reported) { b.Count = 1 }), "1 tags in 2 parts"},
		{with(reported, func(b *Reported) { b.Count = 2*MaxTags + 1 }), "2049 tags in 2 parts"},
		{with(reported, func(b *Reported) { b.Parts = 0 }), "2 tags in 0 parts"},
		{with(reported, func(b *Reported) { b.Count = 0 }), "0 tags in 2 parts"},
		{with(reported, func(b *Reported) { b.Log.Size = 0 }), "no entries"},
		{with(reported, func(b *Reported) { b.Log.Origin = "x" }), "does not begin with"},
		{with(reported, func(b *Reported) { b.Log.Origin = report }), "on a report ledger"},
		{with(answer, func(b *Opened) { b.Epoch = EpochID{} }), "no epoch"},
		{with(answer, func(b *Opened) { b.Auditor = [32]byte{} }), "no auditor"},
		{with(answer, func(b *Opened) { b.Sealed = nil }), "an opening of 0"},
		{with(answer, func(b *Opened) { b.Sealed = make([]byte, MaxSealed+1) }), "an opening of 65537"},
		{with(closed, func(b *EpochClosed) { b.Epoch = EpochID{} }), "no epoch"},
		{with(closed, func(b *EpochClosed) { b.Rules = 0 }), "no rules"},
		{with(closed, func(b *EpochClosed) { b.Withheld = true }), "a figure of 20 that is withheld"},
		{with(closed, func(b *EpochClosed) { b.Size = 19 }), "under 20 it is withheld"},
		{with(closed, func(b *EpochClosed) { b.Size = 0 }), "a figure of 0"},
		{with(closed, func(b *EpochClosed) { b.Reports = 0 }), "out of no report"},
		{with(draw, func(b *Draw) { b.Epoch = EpochID{} }), "no epoch"},
		{with(draw, func(b *Draw) { b.Size = 19 }), "a draw from 19"},
		{with(draw, func(b *Draw) { b.Seed = [32]byte{} }), "no seed"},
		{with(draw, func(b *Draw) { b.Source = "" }), "source has 0"},
		{with(draw, func(b *Draw) { b.Source = long }), "source has 201"},
	} {
		_, err := MarshalBody(c.body)
		refused(t, err, ErrBody, c.says)
	}
}

// What others send is refused in every encoding but the one.
func TestParseBodyMalformed(t *testing.T) {
	t.Parallel()
	hex := func(s string) []byte { return unhex(t, s) }
	good := hex("84 0a 65 66726f6e74 f4 f5") // Passage 10 front
	if _, err := ParseBody(KindPassage, good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   []byte
		says string
	}{
		"nothing":                {nil, "EOF"},
		"not an array":           {hex("0a"), "cannot unmarshal positive integer"},
		"a map":                  {hex("a1 00 00"), "cannot unmarshal map"},
		"a field short":          {hex("83 0a 65 66726f6e74 f4"), "cannot decode CBOR array"},
		"a field more":           {hex("85 0a 65 66726f6e74 f4 f5 00"), "cannot decode CBOR array"},
		"text for a number":      {hex("84 61 30 65 66726f6e74 f4 f5"), "cannot unmarshal UTF-8 text string"},
		"bytes for a text":       {hex("84 0a 45 66726f6e74 f4 f5"), "cannot unmarshal byte string"},
		"a negative number":      {hex("84 20 65 66726f6e74 f4 f5"), "cannot unmarshal negative"},
		"null for a bool":        {hex("84 0a 65 66726f6e74 f6 f5"), "deterministic"},
		"a long number":          {hex("84 180a 65 66726f6e74 f4 f5"), "deterministic"},
		"a long length":          {hex("84 0a 7805 66726f6e74 f4 f5"), "deterministic"},
		"an open array":          {hex("9f 0a 65 66726f6e74 f4 f5 ff"), "indefinite-length"},
		"an open text":           {hex("84 0a 7f 65 66726f6e74 ff f4 f5"), "indefinite-length"},
		"a tag":                  {hex("c1 84 0a 65 66726f6e74 f4 f5"), "tag"},
		"a float":                {hex("84 f94900 65 66726f6e74 f4 f5"), "cannot unmarshal primitives"},
		"a reserved length":      {hex("84 1c 65 66726f6e74 f4 f5"), "invalid additional information"},
		"a promised giant":       {hex("84 0a 7affffffff 66"), "EOF"},
		"a byte behind":          {append(bytes.Clone(good), 0), "extraneous data"},
		"invalid UTF-8":          {hex("84 0a 65 66726fff74 f4 f5"), "UTF-8"},
		"valid, but not a door":  {hex("84 0a 65 46726f6e74 f4 f5"), "only a–z"},
		"beyond the bound":       {make([]byte, MaxBody+1), "at most 262144"},
		"nested beyond any kind": {bytes.Repeat([]byte{0x81}, 40), "nested level"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseBody(KindPassage, c.in)
			refused(t, err, ErrBody, c.says)
		})
	}
}

func TestCleanText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 50).Draw(t, "most")
		s := CleanText(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))+rapid.String().Draw(t, "text"), most)
		if err := text("text", s, 0, most); err != nil {
			t.Fatal(err)
		}
		if CleanText(s, most) != s {
			t.Fatalf("%q is not clean", s)
		}
	})
}

func FuzzParseBody(f *testing.F) {
	for _, v := range vectors(f, "bodies.txt", 68) {
		f.Add(uint16(v.Int(f, "kind")), v.Hex(f, "body"))
	}
	f.Add(uint16(KindForkSeen), encode(ForkSeen{Evidence: testFork.Marshal()}))
	f.Fuzz(func(t *testing.T, kind uint16, in []byte) {
		body, err := ParseBody(Kind(kind), in)
		if err != nil {
			return
		}
		out, err := MarshalBody(body)
		if err != nil || !bytes.Equal(in, out) {
			t.Fatalf("%v: %x became %x, %v", Kind(kind), in, out, err)
		}
	})
}
