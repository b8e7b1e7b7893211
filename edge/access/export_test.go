package access

// Zone is what the space behind a door asks.
var Zone = zone

// The bounds of a Presence.
const (
	MaxSeen    = maxSeen
	MaxEntries = maxEntries
	MaxWrong   = maxWrong
	MaxDue     = maxDue
	MaxPasses  = maxPasses
	MaxEntered = maxEntered
	MaxOrdered = maxOrdered
	MaxTried   = maxTried

	MaxTraces     = maxTraces
	MaxComers     = maxComers
	MaxTheirCodes = maxTheirCodes
	MaxOurCodes   = maxOurCodes
)

// Sizes are the numbers of what is remembered.
func (p *Presence) Sizes() (seen, wrong, passes, entered, due int) {
	return len(p.last), len(p.wrong), len(p.spent), len(p.entered), len(p.due)
}

// Sizes are the largest numbers of what is remembered of one log, and the number of
// codes that opened here.
func (s *Siblings) Sizes() (traces, comers, codes, ours int) {
	for _, l := range s.logs {
		traces, comers, codes = max(traces, len(l.last), len(l.entries)), max(comers, len(l.due)), max(codes, len(l.codes))
	}
	return traces, comers, codes, len(s.ours)
}
