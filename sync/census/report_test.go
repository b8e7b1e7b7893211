package census_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// audited is the report of an honest audit of a crowd.
func audited(tb testing.TB, sample uint32) (*world, census.Sample, census.Report) {
	tb.Helper()
	w, s := crowd(tb, sample)
	log := newBook(tb, ledger.CensusLog, w.community, w.community, named("hub"))
	log.add(tb, closes+3600, &w.closed.Body)
	check, drawn := census.CheckEvidence(s)
	mine := census.CheckMine(s.Rules, s.Closed, s.List, nil)
	all, _ := census.CheckAll(census.Whole{Rules: s.Rules, Closed: s.Closed, List: nil})
	consistent, _ := census.CheckConsistent(census.Consistency{Rules: s.Rules, Closings: []census.Closed{s.Closed}, Draws: s.Draws})
	return w, s, census.NewReport(census.Audited{Rules: s.Rules, Closed: s.Closed, Head: log.head(tb, closes+4000).Note,
		Checks: []census.Check{mine, all, check, consistent}, Draw: &s.Draws[0], Drawn: drawn})
}

func TestReportComesBack(t *testing.T) {
	t.Parallel()
	_, _, r := audited(t, 300)
	b := r.Marshal()
	back, err := census.ParseReport(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Marshal(), b) || back.Text() != r.Text() {
		t.Error("it comes back as another report")
	}
	if x := r.Result; x.Drawn != 24 || x.Good != 24 || x.Bound != 0 || x.AtLeast != 24 || x.Absent != 1 {
		t.Errorf("%+v", x)
	}
	if f, u := r.Failed(), r.Undone(); len(f) != 0 || fmt.Sprint(u) != "[mine all]" {
		t.Errorf("failed %v, undone %v", f, u)
	}
}

// TestReportNamesNobody: a report can be published.
func TestReportNamesNobody(t *testing.T) {
	t.Parallel()
	w, s, _ := audited(t, 300)
	delete(s.Answers, s.List.At(3).Tag)
	s.Answers[s.List.At(4).Tag] = s.Answers[s.List.At(5).Tag]
	broken := s.Answers[s.List.At(6).Tag][0].Opening
	broken.Admission = census.Shown{}
	s.Answers[s.List.At(6).Tag] = []census.Answer{{Opening: broken}}
	check, drawn := census.CheckEvidence(s)
	r := census.NewReport(census.Audited{Rules: s.Rules, Closed: s.Closed, Checks: []census.Check{check}, Draw: &s.Draws[0], Drawn: drawn})
	text := string(r.Marshal()) + r.Text()
	for _, v := range w.visits {
		key, id := v.who.key.Key(), v.who.key.Key().ID()
		for _, secret := range []string{fmt.Sprintf("%x", key.Point), id.String(), fmt.Sprintf("%x", v.secret), fmt.Sprintf("passport %d", v.who.id), v.door, fmt.Sprint(v.at)} {
			if strings.Contains(text, secret) && secret != fmt.Sprint(int64(opens)) {
				t.Errorf("it holds %q", secret)
			}
		}
	}
}

func TestReportText(t *testing.T) {
	t.Parallel()
	w, s, r := audited(t, 10)
	if err := r.Summon(census.Absent(r.Drawn[3].Index, tagAt(s, r.Drawn[3].Index), closes+9000)); err != nil {
		t.Fatal(err)
	}
	v := w.visits[0]
	c, _ := summon(t, w, v.tag)
	if err := r.Summon(census.Came(r.Drawn[1].Index, tagAt(s, r.Drawn[1].Index), tapped(t, v.who.key, c))); err != nil {
		t.Fatal(err)
	}
	text := r.Text()
	for _, want := range []string{
		"epoch 3", "Figure: 24 passports seen with valid evidence, by 1 report\n", "Not wholly checked: mine, all could not be done", "1 nodes, 2 doors, 120 m²",
		"mine        not done", "all         not done", "evidence    passed", "consistent  passed",
		"Draw: 10 of 24 tags", `from "block 900000, mainnet"`, "10 good, 0 bad, 0 without an answer (which count against)",
		"at most 25.89 % of the list is bad, at 95 % confidence", "24 and 17", "would meet none with a probability of",
		"Summoned, apart from that: 1 of 2 came", "What this does not prove:", "one person has one passport", "do not collude",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
	if _, err := census.ParseReport(r.Marshal()); err != nil {
		t.Error(err)
	}
	// One who comes after all counts once.
	if err := r.Summon(census.Came(r.Drawn[3].Index, tagAt(s, r.Drawn[3].Index), tapped(t, v.who.key, c))); err != nil || r.Result.Summoned != 2 || r.Result.Came != 2 {
		t.Errorf("%+v, %v", r.Result, err)
	}
	if err := r.Summon(census.Absent(99, v.tag, 1)); !errors.Is(err, census.ErrSummons) {
		t.Errorf("summoned who was not drawn: %v", err)
	}
	small := census.NewReport(census.Audited{Rules: s.Rules, Closed: census.Closed{Body: ledger.EpochClosed{Withheld: true}}})
	if text := small.Text(); !strings.Contains(text, "withheld, because it is small") || !strings.Contains(text, "nothing bounds") {
		t.Errorf("%s", text)
	}
}

func tagAt(s census.Sample, i uint64) census.Tag { return s.List.At(int64(i)).Tag }

// again is a copy of a report.
func again(t *testing.T, r census.Report) census.Report {
	t.Helper()
	r, err := census.ParseReport(r.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMalformedReports(t *testing.T) {
	t.Parallel()
	_, _, r := audited(t, 10)
	whole := string(r.Marshal())
	change := func(f func(r *census.Report)) string {
		r := again(t, r)
		f(&r)
		return string(r.Marshal())
	}
	for _, tt := range []struct{ name, file, says string }{
		{"empty", "", "EOF"},
		{"not JSON", "tombolo", "invalid character"},
		{"another format", strings.Replace(whole, "report v1", "report v2", 1), "format"},
		{"an unknown field", strings.Replace(whole, `"format"`, `"extra": 1, "format"`, 1), "unknown field"},
		{"a field twice", strings.Replace(whole, `"number": 3`, `"number": 3, "number": 3`, 1), "edited"},
		{"a field in capitals", strings.Replace(whole, `"number"`, `"Number"`, 1), "edited"},
		{"cut short", whole[:len(whole)/2], "EOF"},
		{"something behind it", whole + "{}", "edited"},
		{"formatted anew", strings.ReplaceAll(whole, "  ", "\t"), "edited"},
		{"a number as text", strings.Replace(whole, `"number": 3`, `"number": "3"`, 1), "cannot unmarshal"},
		{"a giant", whole + strings.Repeat(" ", census.MaxReport), "bytes"},
		{"a better bound", change(func(r *census.Report) { r.Result.Bound /= 2 }), "does not follow"},
		{"a larger figure", change(func(r *census.Report) { r.Size++ }), "does not follow"},
		{"a small figure", change(func(r *census.Report) { r.Size = 19 }), "a figure of 19"},
		{"withheld and said", change(func(r *census.Report) { r.Withheld = true }), "withheld true"},
		{"a root that is none", change(func(r *census.Report) { r.Root = "00" }), "not 32 bytes"},
		{"a root in capitals", change(func(r *census.Report) { r.Root = strings.ToUpper(r.Community) }), "not 32 bytes"},
		{"a seed that is none", change(func(r *census.Report) { r.Seed = "x" }), "the seed"},
		{"a check that there is not", change(func(r *census.Report) { r.Checks[0].Name = "trust me" }), "there is not"},
		{"a check twice", change(func(r *census.Report) { r.Checks[0] = r.Checks[1] }), "or twice"},
		{"passed and not done", change(func(r *census.Report) { r.Checks[0].OK = true }), "there is not"},
		{"drawn lines out of order", change(func(r *census.Report) { r.Drawn[0], r.Drawn[1] = r.Drawn[1], r.Drawn[0] }), "drawn line"},
		{"a result that there is not", change(func(r *census.Report) { r.Drawn[0].Result = "fine" }), "drawn line"},
		{"good without evidence", change(func(r *census.Report) { r.Drawn[0].Evidence = "" }), "drawn line"},
		{"summoned and not drawn", change(func(r *census.Report) { r.Summoned = []census.Summoned{{Index: 99, Tag: r.Epoch}} }), "summoned line"},
		{"came without a proof", change(func(r *census.Report) {
			r.Summoned = []census.Summoned{{Index: r.Drawn[0].Index, Tag: r.Drawn[0].Tag, Came: true}}
		}), "summoned line"},
		{"no head", change(func(r *census.Report) { r.Head = "" }), "head"},
		{"another community's head", change(func(r *census.Report) { r.Community = r.Epoch }), "not the community's"},
		{"a text that moves the cursor", change(func(r *census.Report) { r.Checks[0].What = "\x1b[2J" }), "not plain"},
		{"a detail on two lines", change(func(r *census.Report) { r.Checks[0].Details = []string{"a\nb"} }), "not plain"},
	} {
		if _, err := census.ParseReport([]byte(tt.file)); !errors.Is(err, census.ErrReportFile) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func FuzzReport(f *testing.F) {
	for _, sample := range []uint32{10, 300} {
		_, _, r := audited(f, sample)
		f.Add(r.Marshal())
	}
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := census.ParseReport(b)
		if err != nil {
			if !errors.Is(err, census.ErrReportFile) {
				t.Error(err)
			}
			return
		}
		if !bytes.Equal(r.Marshal(), b) {
			t.Error("it comes back as another file")
		}
		for line := range strings.Lines(r.Text()) {
			if s := strings.TrimSuffix(line, "\n"); s != ledger.CleanText(s, 1<<20) {
				t.Errorf("a line that is not plain: %q", line)
			}
		}
	})
}

func TestCompare(t *testing.T) {
	t.Parallel()
	w, _, a := audited(t, 300)
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, w *world, r *census.Report)
		ok     bool
		says   string
	}{
		{"the same", nil, true, "one story"},
		{"another root", func(t *testing.T, w *world, r *census.Report) { r.Root = r.Epoch }, false, "closed with 24 tags"},
		{"another size", func(t *testing.T, w *world, r *census.Report) { r.Size++ }, false, "closed with 24 tags"},
		{"other real estate", func(t *testing.T, w *world, r *census.Report) { r.Estate.Doors++ }, false, "closed with"},
		{"another seed", func(t *testing.T, w *world, r *census.Report) { r.Seed = r.Epoch }, false, "with seed"},
		{"another head of the size", func(t *testing.T, w *world, r *census.Report) {
			log := newBook(t, ledger.CensusLog, w.community, w.community, named("hub"))
			log.add(t, closes+3601, &w.closed.Body)
			r.Head = string(log.head(t, closes+4000).Note)
		}, false, "two heads of 2 entries"},
		{"a later head", func(t *testing.T, w *world, r *census.Report) {
			log := newBook(t, ledger.CensusLog, w.community, w.community, named("hub"))
			log.add(t, closes+3600, &w.closed.Body)
			log.add(t, closes+3600, &w.closed.Body)
			r.Head = string(log.head(t, closes+4000).Note)
		}, true, "one continues the other"},
		{"another incarnation's head", func(t *testing.T, w *world, r *census.Report) {
			log := newBook(t, ledger.CensusLog, w.community, w.community, named("hub"))
			log.origin.Incarnation[0]++
			r.Head = string(log.head(t, closes+4000).Note)
		}, true, "different census ledgers"},
		{"a line that one could not open", func(t *testing.T, w *world, r *census.Report) {
			r.Drawn[0] = census.Drawn{Index: r.Drawn[0].Index, Tag: r.Drawn[0].Tag, Result: census.Unanswered}
		}, true, "good to one and unanswered to the other"},
		{"one presentation in two epochs", func(t *testing.T, w *world, r *census.Report) {
			r.Epoch = r.Root
			r.Drawn[0].Tag = r.Root
		}, false, "one presentation was shown for two tags"},
		{"two epochs", func(t *testing.T, w *world, r *census.Report) {
			r.Epoch = r.Root
			r.Drawn = nil
		}, true, "one story"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := again(t, a)
			if tt.change != nil {
				tt.change(t, w, &b)
			}
			check, err := census.Compare(a, b)
			if err != nil || check.OK != tt.ok || check.Name != census.CheckedConsistent {
				t.Errorf("%+v, %v", check, err)
			}
			if all := check.What + "\n" + strings.Join(check.Details, "\n"); !strings.Contains(all, tt.says) {
				t.Errorf("it does not say %q:\n%s", tt.says, all)
			}
		})
	}
	b := a
	b.Community = a.Root
	if _, err := census.Compare(a, b); !errors.Is(err, census.ErrOtherEpoch) {
		t.Errorf("%v", err)
	}
}
