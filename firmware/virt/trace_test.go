package virt

import (
	"slices"
	"testing"
	"time"
)

func TestTransitions(t *testing.T) {
	t.Parallel()
	const trace = `4711@1700000000.000001:pl061_update /machine/unattached/device[7] GPIODIR 0x0 GPIODATA 0x2 pullups 0x0 pulldowns 0xff
4711@1700000000.000002:pl061_read /machine/unattached/device[7] offset 0x3fc value 0x0
4711@1700000000.000002:pl061_read /machine/unattached/device[7] offset 0x8 value 0x2
4711@1700000000.000003:pl061_update /machine/unattached/device[7] GPIODIR 0x1 GPIODATA 0x2 pullups 0x0 pulldowns 0xff
4711@1700000000.000004:pl061_update /machine/unattached/device[7] GPIODIR 0x3 GPIODATA 0x3 pullups 0x0 pulldowns 0xff
4711@1700000000.000004:pl061_update /machine/unattached/device[7] GPIODIR 0x3 GPIODATA 0x3 pullups 0x0 pulldowns 0xff
4711@1700000000.000005:pl061_update /machine/unattached/device[7] GPIODIR 0x82 GPIODATA 0x0 pullups 0x0 pulldowns 0xff
`
	at := func(us int64) time.Time { return time.Unix(1700000000, us*1000) }
	want := []Transition{
		{at(3), 0, Low}, {at(4), 0, High}, {at(4), 1, High}, {at(5), 0, Floating}, {at(5), 1, Low}, {at(5), 7, Low},
	}
	got, err := transitions([]byte(trace))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
	for line, want := range []int{0, 1, 0} {
		if n := reads([]byte(trace), line); n != want {
			t.Errorf("line %d was read %d times", line, n)
		}
	}
	for _, bad := range []string{
		":pl061_update x GPIODIR 0x0 GPIODATA 0x0",
		"1@1:pl061_update x GPIODIR 0x0 GPIODATA 0x0",
		"1@a.1:pl061_update x GPIODIR 0x0 GPIODATA 0x0",
		"1@1.1:pl061_update x GPIODIR 0x100 GPIODATA 0x0",
		"1@1.1:pl061_update x GPIODIR 0x0 GPIODATA zz",
		"1@1.1:pl061_update x GPIODIR 0x0",
		"1@1.1:pl061_update x DIR 0x0 GPIODATA 0x0",
	} {
		if got, err := transitions([]byte(bad + "\n")); err == nil {
			t.Errorf("%q gave %v; a trace that is not understood must not read as a quiet line", bad, got)
		}
	}
}
