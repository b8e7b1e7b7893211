package policy

// Census is what the node says of itself to the community's hub beside the tags
// of an epoch, which name nobody, no hour and no door.
type Census struct {
	Occupancy Publishing
}

// Publishing says when the number of people in a zone leaves the node. It is
// rounded whatever this says, and never said of a zone that is outside.
type Publishing uint8

// The zero value publishes crowds: where at least so many are present that no
// figure is about one of them (ledger.Withheld).
const (
	PublishCrowds Publishing = iota
	PublishNever
	PublishAlways // a steward's choice: an empty house is an answer, too
)

var publishingNames = []string{"crowds", "never", "always"}

func (p Publishing) String() string { return name(p, publishingNames) }

// MarshalText is String.
func (p Publishing) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes "crowds", "never" or "always".
func (p *Publishing) UnmarshalText(text []byte) error { return parse(p, text, publishingNames) }

// Want completes "want …".
func (Publishing) Want() string { return choice(publishingNames) }

type fileCensus struct {
	Occupancy Publishing `toml:"occupancy"`
}

// warnCensus notes that everybody sees when a house is empty.
func (b *builder) warnCensus(p *Policy) {
	if p.Census.Occupancy != PublishAlways {
		return
	}
	path := []string{"census", "occupancy"}
	if homes := p.homes(); len(homes) > 0 {
		b.note(path, "everybody sees when few or none are in: people live behind %s", some(homes))
	} else {
		b.note(path, "everybody sees when few or none are in")
	}
}
