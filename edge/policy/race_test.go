//go:build race

package policy

// The race detector makes go-toml some ten times slower.
const (
	slower      = 20
	hostileSize = 1 << 15
)
