package census_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"strings"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

func TestReceiptComesBack(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	for _, full := range []bool{false, true} {
		r := census.Receipt{Opening: w.open(t, w.visits[0], full)}
		b := r.Marshal()
		back, err := census.ParseReceipt(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(back.Marshal(), b) {
			t.Error("it comes back as another file")
		}
		if c, err := back.Community(); err != nil || c != w.community {
			t.Errorf("of community %v, %v", c, err)
		}
		if held, err := back.Held(w.rules()); err != nil || held != closes+600 {
			t.Errorf("held at %d, %v", held, err)
		}
	}
}

// TestReceiptStaysReadable: a receipt that was written once is read and redeemed
// for ever. testdata/receipt.txt is that of the first visit of aWorld(plain), with
// door and time; the first version wrote it, and it is never made again.
func TestReceiptStaysReadable(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/receipt.txt")
	if err != nil {
		t.Fatal(err)
	}
	r, err := census.ParseReceipt(b)
	if err != nil {
		t.Fatal(err)
	}
	w := aWorld(t, plain)
	got, err := r.RedeemFrom(w.rules(), w.closed, w.list)
	if err != nil || got.Outcome != census.Counted || got.Held != closes+600 || r.Opening.Full == nil {
		t.Errorf("%+v, %v", got, err)
	}
	if !bytes.Equal(r.Marshal(), b) {
		t.Error("it comes back as another file")
	}
}

func TestMalformedReceipts(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	b := string(census.Receipt{Opening: w.open(t, w.visits[0], false)}.Marshal())
	line, rest, _ := strings.Cut(b, "\n")
	lines := strings.SplitAfter(rest, "\n")
	for _, tt := range []struct{ name, file, says string }{
		{"empty", "", "does not begin"},
		{"no first line", rest, "does not begin"},
		{"another version", strings.Replace(b, "v1", "v2", 1), "does not begin"},
		{"another file", "tombolo bundle v1\n", "does not begin"},
		{"nothing in it", line + "\n", "EOF"},
		{"a line short", line + "\n" + strings.Join(lines[1:], ""), ""},
		{"cut short", b[:len(b)-40], ""},
		{"a character that is none", strings.Replace(b, rest[10:12], "!?", 1), "illegal base64"},
		{"windows' line ends", strings.ReplaceAll(b, "\n", "\r\n"), "does not begin"},
		{"other line ends behind the first", line + "\n" + strings.ReplaceAll(rest, "\n", "\r\n"), "characters long"},
		{"one long line", line + "\n" + strings.ReplaceAll(rest, "\n", "") + "\n", "characters long"},
		{"an empty line", line + "\n\n" + rest, "characters long"},
		{"no last line end", strings.TrimSuffix(b, "\n"), "characters long"},
		{"something behind it", b + "x", ""},
		{"not an opening", line + "\n" + base64.StdEncoding.EncodeToString([]byte{0x80}) + "\n", "malformed"},
		{"a giant", b + strings.Repeat("A", census.MaxReceipt), "bytes"},
	} {
		if _, err := census.ParseReceipt([]byte(tt.file)); !errors.Is(err, census.ErrReceipt) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func FuzzReceipt(f *testing.F) {
	w := aWorld(f, plain)
	f.Add(census.Receipt{Opening: w.open(f, w.visits[0], false)}.Marshal())
	f.Add(census.Receipt{Opening: w.open(f, w.visits[1], true)}.Marshal())
	f.Add([]byte("tombolo census receipt v1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := census.ParseReceipt(b)
		if err != nil {
			if !errors.Is(err, census.ErrReceipt) {
				t.Error(err)
			}
			return
		}
		if !bytes.Equal(r.Marshal(), b) {
			t.Error("it comes back as another file")
		}
	})
}

// TestRedeem: what a receipt comes to, and who is to blame.
func TestRedeem(t *testing.T) {
	t.Parallel()
	others := func(w *world, v *visit) (lines []byte) { // all but v's
		for _, x := range w.visits {
			if x != v {
				lines = append(lines, x.line(w)...)
			}
		}
		return lines
	}
	for _, tt := range []struct {
		name string
		held int64
		list func(w *world, v *visit) []byte
		want census.Outcome
	}{
		{"in the list", closes + 600, func(w *world, v *visit) []byte { return append(others(w, v), v.line(w)...) }, census.Counted},
		{"in the list, acknowledged by nobody", 0, func(w *world, v *visit) []byte { return append(others(w, v), v.line(w)...) }, census.Counted},
		{"in the list by another node", closes + 600, func(w *world, v *visit) []byte {
			return append(others(w, v), append(v.tag[:], make([]byte, 32)...)...)
		}, census.CountedOther},
		{"left out", closes + 600, others, census.LeftOut},
		{"left out, acknowledged a second before the close", closes + 3599, others, census.LeftOut},
		{"perhaps too late, acknowledged in the second of the close", closes + 3600, others, census.CameLate},
		{"too late", closes + 3601, others, census.CameLate},
		{"never held", 0, others, census.NotHeld},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := aWorld(t, twist{held: tt.held})
			v := w.visits[1]
			w.close(t, tt.list(w, v), w.covered)
			r := census.Receipt{Opening: w.open(t, v, false)}
			got, err := r.RedeemFrom(w.rules(), w.closed, w.list)
			if err != nil || got.Outcome != tt.want || int64(got.Held) != tt.held || (got.Proof != nil) != tt.want.Included() {
				t.Errorf("%v held at %d, %v; want %v", got.Outcome, got.Held, err, tt.want)
			}
			if strings.HasPrefix(got.Outcome.String(), "outcome") {
				t.Error("nobody can read that")
			}
			check := census.CheckMine(w.rules(), w.closed, w.list, []census.Receipt{r})
			if check.OK != tt.want.Included() || check.Undone || check.Name != census.CheckedMine {
				t.Errorf("%+v", check)
			}
		})
	}
}

// TestRedeemRefuses: what proves nothing redeems nothing.
func TestRedeemRefuses(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	v := w.visits[1]
	r := census.Receipt{Opening: w.open(t, v, false)}
	proof, err := w.list.Prove(v.tag)
	if err != nil {
		t.Fatal(err)
	}
	var stranger census.Tag
	w.rnd.Read(stranger[:])
	absence, err := w.list.ProveAbsent(stranger)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		redeem func(r census.Receipt, rules census.Rules, c census.Closed, p census.Proof) error
		want   error
	}{
		{"neither", func(r census.Receipt, rules census.Rules, c census.Closed, p census.Proof) error {
			_, err := r.Redeem(rules, c, nil, nil)
			return err
		}, census.ErrInclusion},
		{"both", func(r census.Receipt, rules census.Rules, c census.Closed, p census.Proof) error {
			_, err := r.Redeem(rules, c, &p, &absence)
			return err
		}, census.ErrInclusion},
		{"another tag's absence", func(r census.Receipt, rules census.Rules, c census.Closed, p census.Proof) error {
			_, err := r.Redeem(rules, c, nil, &absence)
			return err
		}, census.ErrInclusion},
		{"a proof of another list", func(r census.Receipt, rules census.Rules, c census.Closed, p census.Proof) error {
			c.Body.Root[0] ^= 1
			_, err := r.Redeem(rules, c, &p, nil)
			return err
		}, census.ErrInclusion},
		{"a list of another size", func(r census.Receipt, rules census.Rules, c census.Closed, p census.Proof) error {
			c.Body.Size++
			_, err := r.Redeem(rules, c, &p, nil)
			return err
		}, census.ErrInclusion},
		{"another epoch's close", func(r census.Receipt, rules census.Rules, c census.Closed, p census.Proof) error {
			c.Body.Epoch[0] ^= 1
			_, err := r.Redeem(rules, c, &p, nil)
			return err
		}, census.ErrClosed},
		{"an altered receipt", func(r census.Receipt, rules census.Rules, c census.Closed, p census.Proof) error {
			r.Opening.Salt[0] ^= 1
			_, err := r.Redeem(rules, c, &p, nil)
			return err
		}, census.ErrReported},
		{"an acknowledgement that does not verify", func(r census.Receipt, rules census.Rules, c census.Closed, p census.Proof) error {
			i := bytes.Index(r.Opening.Report.Note, []byte("— tombolo/v1/hold/"))
			note := bytes.Clone(r.Opening.Report.Note)
			note[i+90] ^= 1
			r.Opening.Report.Note = note
			_, err := r.Held(rules)
			return err
		}, census.ErrReport},
	} {
		if err := tt.redeem(r, w.rules(), w.closed, proof); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestShownKeepsWhatCounts: of a head that many have cosigned, the author's word
// and the hub's stay.
func TestShownKeepsWhatCounts(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	var others []ledger.Cosigner
	for _, name := range []string{"a", "b", "c"} {
		others = append(others, ledger.Cosigner{Role: ledger.RoleWitness, Key: ed25519.PublicKey(named(name))})
	}
	others = append(others, ledger.Cosigner{Role: ledger.RoleHold, Key: ed25519.PublicKey(named("hub-hold"))})
	for _, b := range []*book{w.reports, w.issuer, w.doors[0]} {
		want := 1
		if b == w.reports {
			want = 2
		}
		s := b.show(t, b.head(t, closes+600, others...), 1)
		if n := bytes.Count(s.Note, []byte("— ")); n != want {
			t.Errorf("%v: %d signatures, want %d", b.origin, n, want)
		}
		if _, _, err := s.Verify(public(b.key)); err != nil {
			t.Error(err)
		}
	}
	head := w.reports.head(t, closes+600)
	if _, err := census.Show(w.reports, head, head.Size, w.reports.entries[0]); err == nil {
		t.Error("showed an entry behind the head")
	}
}
