//go:build soak

package brokers

import (
	"testing"
	"time"
)

// TestClusterQuorum takes two of the three servers, with which nothing passes,
// and TestClusterAll all of them, again and again.
func TestClusterQuorum(t *testing.T) {
	under(t, cluster,
		fall{servers: []int{0, 1}, away: 20 * time.Second, whole: true},
		fall{servers: []int{1, 2}, away: 3 * time.Second, whole: true},
		fall{servers: []int{0, 2}, away: 500 * time.Millisecond},
		fall{servers: []int{0, 1}, away: 10 * time.Second, whole: true},
	)
}

func TestClusterAll(t *testing.T) {
	all := []int{0, 1, 2}
	under(t, cluster,
		fall{servers: all, away: 20 * time.Second, whole: true},
		fall{servers: all, away: 500 * time.Millisecond},
		fall{servers: all, away: 3 * time.Second, whole: true},
		fall{servers: []int{0}, away: 5 * time.Second, whole: true},
		fall{servers: all, away: 40 * time.Second, whole: true},
	)
}
