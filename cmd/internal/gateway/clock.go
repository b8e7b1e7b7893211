package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tombolo/edge/access"
)

// kernel is what the machine says of its clock.
type kernel struct {
	now      func() time.Time
	adjtimex func(*unix.Timex) (state int, err error)
	rtcs     string // folder of the real-time clocks
}

var machine = kernel{now: time.Now, adjtimex: unix.Adjtimex, rtcs: "/sys/class/rtc"}

// trust says where the clock that shows now has its time from. believed is false
// for a time that is over by what is known here: no source makes up for that.
func trust(now time.Time, believed bool) access.Trust { return machine.trust(now, believed) }

func (k kernel) trust(now time.Time, believed bool) access.Trust {
	switch {
	case !believed:
		return access.TrustUnknown
	case now.Sub(k.now()).Abs() > time.Second:
		return access.TrustFloor // somebody else's clock: the kernel vouches for its own
	case k.synchronised():
		return access.TrustNTP
	case k.fromRTC():
		return access.TrustRTC
	}
	return access.TrustFloor
}

// synchronised tells whether something disciplines the clock. The kernel sets
// STA_UNSYNC by itself when nothing has for so long that the error may exceed
// 16 s (kernel/time/ntp.c, NTP_PHASE_LIMIT): some nine hours. Asking needs no
// privilege; a sandbox that forbids the call makes the answer no.
func (k kernel) synchronised() bool {
	var t unix.Timex // no modes: nothing is set; adjtimex(2)
	_, err := k.adjtimex(&t)
	return err == nil && t.Status&unix.STA_UNSYNC == 0
}

// fromRTC tells whether the kernel set the clock at its start from one that runs
// on a battery (Documentation/ABI/testing/sysfs-class-rtc, hctosys).
func (k kernel) fromRTC() bool {
	files, err := filepath.Glob(filepath.Join(k.rtcs, "*", "hctosys"))
	if err != nil {
		return false
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(b)) == "1" {
			return true
		}
	}
	return false
}
