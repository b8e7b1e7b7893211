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
)

// Sizes are the numbers of what is remembered.
func (p *Presence) Sizes() (seen, wrong, passes, entered, due int) {
	return len(p.last), len(p.wrong), len(p.spent), len(p.entered), len(p.due)
}
