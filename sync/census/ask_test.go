package census

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tombolo/sync/ledger"
)

func someElements(n int) []Element {
	all := make([]Element, n)
	for i := range all {
		all[i] = Element{byte(i), 1}
	}
	return all
}

func offerKey(t testing.TB) PublicKey { return testKey(t, 9).Public() }

// messages are one of each, by what reads it.
func messages(t testing.TB) (asks, evaluateAnswers, offerAnswers [][]byte) {
	t.Helper()
	asks = [][]byte{
		EvaluateAsk{ledger.EpochID{1}, someElements(BatchSize)}.Marshal(),
		OfferAsk{1, 0, 1, 2}.Marshal(),
		OfferAsk{1 << 63, 1893456000, 1896134400, 1903910400}.Marshal(),
	}
	evaluateAnswers = [][]byte{
		EvaluateAnswer{Evaluations: make([]Evaluation, BatchSize), Left: 1 << 31}.Marshal(),
		EvaluateAnswer{Refused: RefusedQuota, Left: 3}.Marshal(),
		EvaluateAnswer{Refused: RefusedUnknownEpoch}.Marshal(),
	}
	offerAnswers = [][]byte{
		OfferAnswer{Key: offerKey(t), Evaluator: [32]byte{1}, Signature: [64]byte{2}}.Marshal(),
		OfferAnswer{Refused: RefusedStranger}.Marshal(),
	}
	return asks, evaluateAnswers, offerAnswers
}

func TestMessagesComeBack(t *testing.T) {
	t.Parallel()
	ask := EvaluateAsk{ledger.EpochID{1}, someElements(BatchSize)}
	if got, err := ParseAsk(ask.Marshal()); err != nil || !reflect.DeepEqual(got, ask) {
		t.Errorf("%v, %v", got, err)
	}
	offer := OfferAsk{3, 10, 20, 30}
	if got, err := ParseAsk(offer.Marshal()); err != nil || got != offer {
		t.Errorf("%v, %v", got, err)
	}
	answer := EvaluateAnswer{Evaluations: make([]Evaluation, BatchSize), Left: 7}
	answer.Evaluations[5] = Evaluation{Element: Element{5}, Proof: [64]byte{6}}
	if got, err := ParseEvaluateAnswer(answer.Marshal()); err != nil || !reflect.DeepEqual(got, answer) {
		t.Errorf("%v, %v", got, err)
	}
	refused := EvaluateAnswer{Refused: RefusedOver}
	if got, err := ParseEvaluateAnswer(refused.Marshal()); err != nil || got.Refused != RefusedOver || len(got.Evaluations) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	offered := OfferAnswer{Key: offerKey(t), Evaluator: [32]byte{1}, Signature: [64]byte{2}}
	if got, err := ParseOfferAnswer(offered.Marshal()); err != nil || got != offered {
		t.Errorf("%v, %v", got, err)
	}
	for _, b := range [][]byte{ask.Marshal(), answer.Marshal()} {
		if len(b) > MaxMessage {
			t.Errorf("a message of %d bytes", len(b))
		}
	}
}

func TestMalformedMessages(t *testing.T) {
	t.Parallel()
	asks, answers, offers := messages(t)
	parseAsk := func(b []byte) error { return second(ParseAsk(b)) }
	parseAnswer := func(b []byte) error { return second(ParseEvaluateAnswer(b)) }
	parseOffer := func(b []byte) error { return second(ParseOfferAnswer(b)) }
	with := func(b []byte, at int, v byte) []byte { b = slices.Clone(b); b[at] = v; return b }
	refusal := func(code string) []byte { return EvaluateAnswer{Refused: code}.Marshal() }
	for _, tt := range []struct {
		name  string
		parse func([]byte) error
		b     []byte
		want  string
	}{
		{"nothing", parseAsk, nil, "no message"},
		{"two bytes", parseAsk, asks[0][:2], "no message"},
		{"a map", parseAsk, with(asks[0], 0, 0xa4), "no message"},
		{"another version", parseAsk, with(asks[0], 1, 2), "version 0x2"},
		{"an answer for an ask", parseAsk, answers[0], "a message of type 2 is no ask"},
		{"an unknown type", parseAsk, with(asks[0], 2, 9), "a message of type 9 is no ask"},
		{"an offer's type before elements", parseAsk, with(asks[0], 2, typeOfferAsk), "cannot unmarshal"},
		{"cut short", parseAsk, asks[0][:len(asks[0])-1], "unexpected EOF"},
		{"something behind", parseAsk, append(slices.Clone(asks[0]), 0), "extraneous data"},
		{"too long", parseAsk, append(slices.Clone(asks[0]), make([]byte, MaxMessage)...), "at most 16384"},
		{"63 elements", parseAsk, EvaluateAsk{Elements: someElements(BatchSize - 1)}.Marshal(), "63 elements instead of 64"},
		{"65 elements", parseAsk, EvaluateAsk{Elements: someElements(BatchSize + 1)}.Marshal(), "65 elements instead of 64"},
		{"no elements", parseAsk, EvaluateAsk{}.Marshal(), "0 elements instead of 64"},
		{"an element of 33 bytes", parseAsk, encode([]any{1, 1, ledger.EpochID{}, append(make([]any, 0), bytes.Repeat([]byte{1}, 33))}), "not the deterministic encoding"},
		{"an epoch of 31 bytes", parseAsk, encode([]any{1, 1, make([]byte, 31), someElements(BatchSize)}), "not the deterministic encoding"},
		{"a field more", parseAsk, encode([]any{1, 1, ledger.EpochID{}, someElements(BatchSize), 0}), "cannot unmarshal"},
		{"an offer number in two bytes", parseAsk, []byte{0x86, 1, 3, 0x18, 5, 0, 1, 2}, "not the deterministic encoding"},
		{"an offer of epoch 0", parseAsk, OfferAsk{0, 1, 2, 3}.Marshal(), "epoch 0"},
		{"an offer that closes before it opens", parseAsk, OfferAsk{1, 2, 2, 3}.Marshal(), "from 2 until 2"},
		{"an offer audited before it closes", parseAsk, OfferAsk{1, 1, 3, 3}.Marshal(), "audited until 3"},
		{"an offer before 1970", parseAsk, OfferAsk{1, -1, 2, 3}.Marshal(), "from -1"},

		{"an ask for an answer", parseAnswer, asks[0], "a message of type 1, want 2"},
		{"an offer's answer", parseAnswer, offers[0], "a message of type 4, want 2"},
		{"63 evaluations", parseAnswer, EvaluateAnswer{Evaluations: make([]Evaluation, 63)}.Marshal(), "63 evaluations, want 64"},
		{"65 evaluations", parseAnswer, EvaluateAnswer{Evaluations: make([]Evaluation, 65)}.Marshal(), "65 evaluations, want 64"},
		{"no evaluations", parseAnswer, EvaluateAnswer{}.Marshal(), "0 evaluations, want 64"},
		{"evaluations and a refusal", parseAnswer, EvaluateAnswer{Evaluations: make([]Evaluation, 64), Refused: RefusedQuota}.Marshal(), "64 evaluations, want 0"},
		{"a refusal in capitals", parseAnswer, refusal("Quota"), `refusal "Quota"`},
		{"a refusal over two lines", parseAnswer, refusal("a\nb"), "only a–z"},
		{"a long refusal", parseAnswer, refusal(strings.Repeat("a", 33)), "33 characters"},
		{"left below 0", parseAnswer, encode([]any{1, 2, []any{}, -1, "quota"}), "cannot unmarshal"},
		{"left too large", parseAnswer, encode([]any{1, 2, []any{}, 1 << 32, "quota"}), "cannot unmarshal"},
		{"an indefinite array", parseAnswer, []byte{0x85, 1, 2, 0x9f, 0xff, 0, 0x65, 'q', 'u', 'o', 't', 'a'}, "indefinite-length array isn't allowed"},
		{"a tag", parseAnswer, []byte{0x85, 1, 2, 0x80, 0xc0, 0, 0x65, 'q', 'u', 'o', 't', 'a'}, "CBOR tag isn't allowed"},

		{"an ask for an offer", parseOffer, asks[1], "a message of type 3, want 4"},
		{"no key", parseOffer, OfferAnswer{Evaluator: [32]byte{1}}.Marshal(), ErrKey.Error()},
		{"a key that is none", parseOffer, OfferAnswer{Key: PublicKey(order)}.Marshal(), ErrKey.Error()},
		{"a refusal with a key", parseOffer, OfferAnswer{Key: offerKey(t), Refused: RefusedStranger}.Marshal(), "a refusal with a key"},
		{"a refusal with a signature", parseOffer, OfferAnswer{Signature: [64]byte{1}, Refused: RefusedStranger}.Marshal(), "a refusal with a key"},
		{"an offer refused with a space", parseOffer, OfferAnswer{Refused: "a b"}.Marshal(), "only a–z"},
		{"an offer cut short", parseOffer, offers[0][:40], "unexpected EOF"},
	} {
		if err := tt.parse(tt.b); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestOfferIsSignedForItsEpoch(t *testing.T) {
	t.Parallel()
	community := ledger.CharterID{1}
	ask := OfferAsk{3, 10, 20, 30}
	author := ed25519.NewKeyFromSeed(make([]byte, 32))
	opened := ledger.EpochOpened{Number: 3, Opens: 10, Closes: 20, Audit: 30, Key: offerKey(t)}
	good := OfferAnswer{
		Key: opened.Key, Evaluator: [32]byte(author.Public().(ed25519.PublicKey)),
		Signature: [64]byte(ed25519.Sign(author, opened.OfferText(community))),
	}
	if err := good.Verify(community, ask); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"another community": good.Verify(ledger.CharterID{2}, ask),
		"another number":    good.Verify(community, OfferAsk{4, 10, 20, 30}),
		"another opening":   good.Verify(community, OfferAsk{3, 11, 20, 30}),
		"another close":     good.Verify(community, OfferAsk{3, 10, 21, 30}),
		"another audit":     good.Verify(community, OfferAsk{3, 10, 20, 31}),
		"another key":       OfferAnswer{testKey(t, 8).Public(), good.Evaluator, good.Signature, ""}.Verify(community, ask),
		"another evaluator": OfferAnswer{good.Key, [32]byte{7}, good.Signature, ""}.Verify(community, ask),
		"a refusal":         OfferAnswer{good.Key, good.Evaluator, good.Signature, RefusedOver}.Verify(community, ask),
	} {
		if !errors.Is(err, ErrOffer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzMessages: what is read is written back as it was.
func FuzzMessages(f *testing.F) {
	asks, answers, offers := messages(f)
	for _, b := range slices.Concat(asks, answers, offers) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		read := 0
		same := func(again []byte) {
			if read++; !bytes.Equal(again, b) {
				t.Errorf("%x is written back as %x", b, again)
			}
		}
		switch m, err := ParseAsk(b); m := m.(type) {
		case EvaluateAsk:
			same(m.Marshal())
		case OfferAsk:
			same(m.Marshal())
		default:
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%x: %v, %v", b, m, err)
			}
		}
		if m, err := ParseEvaluateAnswer(b); err == nil {
			same(m.Marshal())
		}
		if m, err := ParseOfferAnswer(b); err == nil {
			same(m.Marshal())
		}
		if read > 1 || read == 1 && len(b) > MaxMessage {
			t.Errorf("%d bytes were read as %d messages", len(b), read)
		}
	})
}
