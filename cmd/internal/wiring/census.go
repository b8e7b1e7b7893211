package wiring

import (
	"time"

	"tombolo/edge/strict"
)

// Census says when a gateway reports for its node; zero is the default. The
// defaults are meant for epochs of weeks; shorter ones are for trials.
type Census struct {
	// Grace is how long after an epoch's close the node's logs are waited for.
	Grace time.Duration
	// Patience is how long the node's next gateway waits before it reports in place
	// of one that does not. For half of it one whose turn it is waits for the logs of
	// those out of reach.
	Patience time.Duration
}

// Defaults of the census.
const (
	DefaultCensusGrace    = 10 * time.Minute
	DefaultCensusPatience = 30 * time.Minute
)

type fileCensus struct {
	Grace    *strict.Duration `toml:"grace" min:"1s" max:"1d" eg:"10m"`
	Patience *strict.Duration `toml:"patience" min:"1s" max:"1d" eg:"30m"`
}

func readCensus(f *fileCensus) (c Census) {
	if f != nil && f.Grace != nil {
		c.Grace = time.Duration(*f.Grace)
	}
	if f != nil && f.Patience != nil {
		c.Patience = time.Duration(*f.Patience)
	}
	return c
}
