package census

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
