package qemu

// Level is what a guest does to a GPIO line.
type Level uint8

// Levels.
const (
	Floating Level = iota // an input: the guest does not drive it
	Low
	High
)

func (l Level) String() string { return [...]string{"floating", "low", "high"}[l] }
