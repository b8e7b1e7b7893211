package census

import (
	"fmt"
	"strings"
	"time"
)

// questions are what the checks ask, for people.
var questions = map[string]string{
	CheckedMine:       "Is everybody who shows a receipt in the list?",
	CheckedAll:        "Is the list what the nodes reported: all of it, nothing else, nobody twice?",
	CheckedEvidence:   "Does a random sample of it stand for people whom a door let in?",
	CheckedConsistent: "Was everybody told the same: one list, one draw, no history rewritten?",
}

// Text is the check for people to read: its verdict and what it asked, then what it
// found.
func (c Check) Text() string {
	verdict := "FAILED"
	switch {
	case c.OK:
		verdict = "passed"
	case c.Undone:
		verdict = "not done"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s  %-8s  %s\n%22s%s\n", c.Name, verdict, questions[c.Name], "", c.What)
	for _, d := range c.Details {
		fmt.Fprintf(&b, "%22s- %s\n", "", d)
	}
	return b.String()
}

// Text is the report for people to read.
func (r Report) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Census of community %.16s, epoch %d (%.16s), from %s until %s", r.Community, r.Number, r.Epoch, day(r.Opens), day(r.Closes))
	if r.Withheld {
		line("Figure: withheld, because it is small")
	} else {
		line("Figure: %d passports seen with valid evidence, by %d %s", r.Size, r.Reports, plural(int(r.Reports), "report"))
	}
	if failed := r.Failed(); len(failed) > 0 {
		line("NOT CONFIRMED, this is the hub's word alone: %s failed", strings.Join(failed, ", "))
	} else if left := r.Undone(); len(left) > 0 {
		line("Not wholly checked: %s could not be done", strings.Join(left, ", "))
	}
	line("Real estate: %d nodes, %d doors, %d m², as the issuers registered them", r.Estate.Nodes, r.Estate.Doors, r.Estate.Floor)
	line("")
	for _, c := range r.Checks {
		b.WriteString(c.Text())
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
	switch {
	case x.Drawn == 0 && r.Seed != "":
		line("What was drawn was not opened to this auditor: this report bounds nothing of what may be invented.")
		return
	case x.Drawn == 0:
		line("Nothing was drawn: nothing bounds how much of the figure is invented.")
		return
	}
	line("Draw: %d of %d tags, seed %s from %q", x.Drawn, r.Size, r.Seed, r.Source)
	line("Opened: %d good, %d bad, %d without an answer (which count against)", x.Good, x.Bad, x.Unanswered)
	if uint64(x.Drawn) == r.Size {
		line("Bound: the whole list was drawn; %s of it is bad or unanswered", percent(x.Bound))
	} else {
		line("Bound: at most %s of the list is bad, at %.0f %% confidence, if nobody chose the seed", percent(x.Bound), 100*x.Confidence)
	}
	line("Figure and figure × (1 − bound): %d and %d", r.Size, x.AtLeast)
	if invented := r.Size/50 + min(1, r.Size%50); uint64(x.Drawn) < r.Size {
		line("If 2 %% of the list were bad (%d tags), such a draw would meet none with a probability of %s.",
			invented, percent(MissProbability(r.Size, invented, uint32(x.Drawn))))
	}
	if x.Summoned > 0 {
		line("Summoned, apart from that: %d of %d came and tapped; if chance chose them, at most %s of the list's people would not", x.Came, x.Summoned, percent(x.Absent))
	}
}

func percent(p float64) string { return fmt.Sprintf("%.2f %%", 100*p) }

// day is a time in Unix seconds.
func day(t int64) string { return time.Unix(t, 0).UTC().Format("2006-01-02 15:04 UTC") }

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
