package folder_test

import (
	"errors"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
)

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unlock, err := folder.Lock(dir, folder.WriteLock, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Lock(dir, folder.WriteLock, false); !errors.Is(err, folder.ErrLocked) {
		t.Errorf("taken twice: %v", err)
	}
	other, err := folder.Lock(dir, folder.DaemonLock, false)
	if err != nil {
		t.Errorf("another lock: %v", err)
	}
	got := make(chan error, 1)
	go func() {
		again, err := folder.Lock(dir, folder.WriteLock, true)
		if err == nil {
			err = again()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Errorf("did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := errors.Join(unlock(), <-got, other()); err != nil {
		t.Error(err)
	}
}
