package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tombolo/edge/access"
)

// TestTrust holds every source of the time against every other.
func TestTrust(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rtcs := func(files map[string]string) string {
		dir := t.TempDir()
		for name, content := range files {
			if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name, "hctosys"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	set, unset := rtcs(map[string]string{"rtc0": "0\n", "rtc1": "1\n"}), rtcs(map[string]string{"rtc0": "0\n", "rtc1": ""})
	synced := func(t *unix.Timex) (int, error) { t.Status = unix.STA_PLL | unix.STA_NANO; return unix.TIME_OK, nil }
	unsynced := func(t *unix.Timex) (int, error) {
		t.Status = unix.STA_PLL | unix.STA_UNSYNC
		return unix.TIME_ERROR, nil
	}
	leap := func(t *unix.Timex) (int, error) { t.Status = unix.STA_PLL | unix.STA_INS; return unix.TIME_INS, nil }
	forbidden := func(*unix.Timex) (int, error) { return 0, unix.EPERM }
	for _, c := range []struct {
		name     string
		shows    time.Time
		believed bool
		adjtimex func(*unix.Timex) (int, error)
		rtcs     string
		want     access.Trust
	}{
		{"a time that is over", now, false, synced, set, access.TrustUnknown},
		{"a time that is over, and nothing else", now, false, unsynced, unset, access.TrustUnknown},
		{"synchronised", now, true, synced, unset, access.TrustNTP},
		{"synchronised, with a battery", now, true, synced, set, access.TrustNTP},
		{"synchronised, before a leap second", now, true, leap, unset, access.TrustNTP},
		{"a battery", now, true, unsynced, set, access.TrustRTC},
		{"a battery, and the call is forbidden", now, true, forbidden, set, access.TrustRTC},
		{"no real-time clock has set it", now, true, unsynced, unset, access.TrustFloor},
		{"no real-time clock at all", now, true, unsynced, filepath.Join(unset, "none"), access.TrustFloor},
		{"another clock than the kernel's, late", now.Add(-time.Minute), true, synced, set, access.TrustFloor},
		{"another clock than the kernel's, early", now.Add(time.Minute), true, synced, set, access.TrustFloor},
		{"the kernel's, asked a moment ago", now.Add(-time.Second), true, synced, set, access.TrustNTP},
	} {
		k := kernel{now: func() time.Time { return now }, adjtimex: c.adjtimex, rtcs: c.rtcs}
		if got := k.trust(c.shows, c.believed); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestTrustOfThisMachine asks the real kernel, as this process may.
func TestTrustOfThisMachine(t *testing.T) {
	t.Parallel()
	var x unix.Timex
	state, err := unix.Adjtimex(&x)
	if err != nil && !errors.Is(err, unix.EPERM) { // forbidden in some sandboxes
		t.Fatalf("adjtimex: %v", err)
	}
	synced := err == nil && x.Status&unix.STA_UNSYNC == 0
	if got := trust(time.Now(), true); synced != (got == access.TrustNTP) || got == access.TrustUnknown {
		t.Errorf("the kernel's state is %d, its status %#x, %v, and the trust %v", state, x.Status, err, got)
	}
	if got := trust(time.Now(), false); got != access.TrustUnknown {
		t.Errorf("not believed: %v", got)
	}
}
