package schedule

import "strings"

// Words says when s holds, in the order in which its file says it: "Monday to
// Friday 08:00–18:00, Saturday 10:00–14:00; on feriados closed".
func (s *Schedule) Words() string {
	switch {
	case s.Always():
		return "always"
	case s.Never():
		return "never"
	}
	var b strings.Builder
	for i, r := range s.config.Week {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(r.Days.words() + " " + r.Hours.words())
	}
	if s.empty {
		b.WriteString("on no day of the week")
	}
	for _, sp := range s.config.Special {
		b.WriteString("; on " + sp.Calendar.Name)
		if len(sp.Hours) == 0 {
			b.WriteString(" closed")
		}
		for i, h := range sp.Hours {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(" " + h.words())
		}
	}
	return b.String()
}

func (h Hours) words() string {
	if h == (Hours{0, day}) {
		return "all day"
	}
	return h.join("–")
}

func (w Weekdays) words() string {
	if w == everyDay {
		return "every day"
	}
	var parts []string
	for _, r := range w.runs() {
		first, last := weekdays[r[0]].day.String(), weekdays[r[1]].day.String()
		switch r[1] - r[0] {
		case 0:
			parts = append(parts, first)
		case 1:
			parts = append(parts, first, last)
		default:
			parts = append(parts, first+" to "+last)
		}
	}
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return parts[0]
}

// Words is "2026-12-25", "2026-12-30 to 2027-01-02" or "every year 01-01".
func (d Days) Words() string {
	words := func(x Date) string { return strings.TrimPrefix(x.String(), "*-") }
	s := words(d.From)
	if d.From != d.To {
		s += " to " + words(d.To)
	}
	if d.From.Year == 0 {
		return "every year " + s
	}
	return s
}
