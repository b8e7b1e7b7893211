package gateway_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
)

// TestLockFails: a lock that cannot be taken because the disk is broken leaves
// no door open that a killed predecessor left open; one that another daemon
// holds moves nothing.
func TestLockFails(t *testing.T) {
	t.Parallel()
	for _, held := range []bool{false, true} {
		h := newHouse(t)
		h.approve(h.init())
		relay, err := h.board.OpenRelay("front/relay")
		if err != nil {
			t.Fatal(err)
		}
		if err := relay.Set(true); err != nil {
			t.Fatal(err)
		}
		w := h.wiring("")
		if held {
			unlock, err := folder.Lock(w.Data, folder.DaemonLock, false)
			if err != nil {
				t.Fatal(err)
			}
			defer unlock()
		} else {
			h.board.Kill()
			if err := os.Mkdir(filepath.Join(w.Data, folder.DaemonLock), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := gateway.Open(h.config(w)); err == nil || errors.Is(err, folder.ErrLocked) != held {
			t.Fatalf("held %v: %v", held, err)
		}
		if h.board.Energised("front/relay") != held {
			t.Errorf("held %v: the relay is energised: %v", held, !held)
		}
	}
}
