//go:build !race

package policy

const (
	slower      = 1       // how much more time tests get
	hostileSize = 1 << 18 // bytes
)
