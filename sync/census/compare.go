package census

import (
	"fmt"
	"strings"
)

// Compare holds two audits' reports against each other, as two auditors do who
// want to know whether they were told the same: *consistent*. Of two epochs of one
// community it checks that no presentation was shown in both. Errors:
// ErrOtherEpoch.
func Compare(a, b Report) (Check, error) {
	if a.Community != b.Community {
		return Check{}, ErrOtherEpoch
	}
	var f finding
	if a.Epoch == b.Epoch {
		f.same(a, b)
	}
	f.twice(a, b)
	return f.check(CheckedConsistent, "The two reports tell one story.", "The two auditors were not told the same."), nil
}

// same compares reports of one epoch.
func (f *finding) same(a, b Report) {
	if a.Root != b.Root || a.Size != b.Size || a.Withheld != b.Withheld || a.Reports != b.Reports || a.Estate != b.Estate {
		f.wrong("the epoch was closed with %d tags of %d reports and root %s, and with %d of %d and %s", a.Size, a.Reports, a.Root, b.Size, b.Reports, b.Root)
	}
	if a.Seed != "" && b.Seed != "" && a.Seed != b.Seed {
		f.wrong("the epoch was drawn from with seed %s, and with %s", a.Seed, b.Seed)
	}
	x, err := a.seen()
	y, other := b.seen()
	switch {
	case err != nil || other != nil:
		f.note("a report does not say which head it saw")
	case x.Origin != y.Origin:
		f.note("the two saw different census ledgers, %v and %v", x.Origin, y.Origin)
	case x.Size != y.Size:
		f.note("the two saw the census ledger at %d and at %d entries: that one continues the other shows in the ledger", x.Size, y.Size)
	case x.Root != y.Root:
		f.wrong("the hub signed two heads of %d entries of %v: keep both reports, they are the proof", x.Size, x.Origin)
	}
	results := map[string]Drawn{}
	for _, d := range a.Drawn {
		results[d.Tag] = d
	}
	for _, d := range b.Drawn {
		if e, ok := results[d.Tag]; ok && e.Result != d.Result {
			f.note("line %d is %s to one and %s to the other", d.Index, e.Result, d.Result)
		}
	}
}

// twice looks for one presentation under two tags: of one epoch or of two, a
// passport has a tag of its own in each.
func (f *finding) twice(a, b Report) {
	tags := map[string]string{}
	for _, d := range a.Drawn {
		if d.Evidence != "" {
			tags[d.Evidence] = d.Tag
		}
	}
	for _, d := range b.Drawn {
		if tag, ok := tags[d.Evidence]; ok && tag != d.Tag {
			f.wrong("one presentation was shown for two tags, %s and %s", tag, d.Tag)
		}
	}
}

// Text is the report for people to read.
func (r Report) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Census of community %.16s, epoch %d (%.16s)", r.Community, r.Number, r.Epoch)
	if r.Withheld {
		line("Figure: withheld, because it is small")
	} else {
		line("Figure: %d passports seen with valid evidence, by %d reports", r.Size, r.Reports)
	}
	line("Real estate: %d nodes, %d doors, %d m²", r.Estate.Nodes, r.Estate.Doors, r.Estate.Floor)
	line("")
	for _, c := range r.Checks {
		verdict := "FAILED"
		if c.OK {
			verdict = "passed"
		} else if c.Undone {
			verdict = "not done"
		}
		line("%-10s  %-8s  %s", c.Name, verdict, c.What)
		for _, d := range c.Details {
			line("%22s%s", "", d)
		}
	}
	line("")
	r.sampled(line)
	line("")
	line("What this does not prove:")
	for _, s := range r.NotProved {
		line("- %s", s)
	}
	return b.String()
}

// sampled says what the draw and the summonses came to.
func (r Report) sampled(line func(string, ...any)) {
	x := r.Result
	if x.Drawn == 0 {
		line("Nothing was drawn: nothing bounds how much of the figure is invented.")
		return
	}
	line("Draw: %d of %d tags, seed %s from %q", x.Drawn, r.Size, r.Seed, r.Source)
	line("Opened: %d good, %d bad, %d without an answer (which count against)", x.Good, x.Bad, x.Unanswered)
	line("Bound: at most %s of the list is bad, at %.0f %% confidence", percent(x.Bound), 100*x.Confidence)
	line("Figure and figure × (1 − bound): %d and %d", r.Size, x.AtLeast)
	invented := (r.Size + 49) / 50
	line("If 2 %% of the list were bad (%d tags), such a draw would meet none with a probability of %s.",
		invented, percent(MissProbability(r.Size, invented, uint32(x.Drawn))))
	if x.Summoned > 0 {
		line("Summoned, apart from that: %d of %d came and tapped; at most %s of the list's people would not", x.Came, x.Summoned, percent(x.Absent))
	}
}

func percent(p float64) string { return fmt.Sprintf("%.2f %%", 100*p) }
