package evaluator

import (
	"slices"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/replica"
)

// TestSigned: an ask is its signer's, whoever a broker says has sent it.
func TestSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	opened := w.opened(e, term1, 1000)
	w.at(start + 1500)
	ask := w.batch(opened.ID(), 1, 3).ask.Marshal()
	self := [32]byte(public("evaluator"))
	good := census.SignAsk(seeded("gateway"), w.community, self, ask)
	flip := func(i int) []byte {
		b := slices.Clone(good)
		b[i] ^= 1
		return b
	}
	swapped := slices.Clone(good) // the key of another, who may ask, too
	copy(swapped[1:33], public("other gateway"))
	for _, c := range []struct {
		name string
		from replica.Peer
		body []byte
		want string // "": no answer at all
	}{
		{"by the gateway", w.gateway, good, "answered"},
		{"by the gateway, from a peer of another name", peerOf("hub"), good, "answered"},
		{"by the hub, as if from the gateway", w.gateway, census.SignAsk(seeded("hub"), w.community, self, ask), census.RefusedStranger},
		{"by nobody that is known", w.gateway, census.SignAsk(seeded("nobody"), w.community, self, ask), census.RefusedStranger},
		{"bare, as if from the gateway", w.gateway, ask, ""},
		{"the ask altered", w.gateway, flip(len(good) - 1), ""},
		{"the signature altered", w.gateway, flip(40), ""},
		{"the key altered", w.gateway, flip(1), ""},
		{"another's key", w.gateway, swapped, ""},
		{"another form", w.gateway, flip(0), ""},
		{"for another community", w.gateway, census.SignAsk(seeded("gateway"), [32]byte{1}, self, ask), ""},
		{"for another evaluator", w.gateway, census.SignAsk(seeded("gateway"), w.community, [32]byte{1}, ask), ""},
		{"cut in its head", w.gateway, good[:90], ""},
		{"without an ask", w.gateway, census.SignAsk(seeded("gateway"), w.community, self, nil), ""},
		{"signed twice", w.gateway, census.SignAsk(seeded("gateway"), w.community, self, good), ""},
		{"nothing", w.gateway, nil, ""},
	} {
		raw := e.Answer(t.Context(), c.from, c.body)
		a, err := census.ParseEvaluateAnswer(raw)
		switch {
		case c.want == "":
			if raw != nil {
				t.Errorf("%s: answered %d bytes", c.name, len(raw))
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want == "answered" && len(a.Evaluations) == 0, c.want != "answered" && a.Refused != c.want:
			t.Errorf("%s: refused %q, %d evaluations; want %q", c.name, a.Refused, len(a.Evaluations), c.want)
		}
	}
	// An issuer asks by its own key, whatever its desk is called on the wire.
	offer := census.OfferAsk{Number: 5, Opens: start, Closes: start + 1, Audit: start + 9000}
	raw := e.Answer(t.Context(), peerOf("steward"), census.SignAsk(seeded("issuer"), w.community, self, offer.Marshal()))
	if a, err := census.ParseOfferAnswer(raw); err != nil || a.Verify(w.community, offer) != nil {
		t.Errorf("%+v: %v", a, err)
	}
}
