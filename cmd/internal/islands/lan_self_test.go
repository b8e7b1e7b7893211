package islands

import (
	"testing"
)

// TestCable holds the switch itself to what the other tests take from it: a
// pulled cable is silence, no error.
func TestCable(t *testing.T) {
	l := newLAN(t, "a.lan", "b.lan")
	a, b := l.host("a.lan"), l.host("b.lan")
	if out, err := a.attempt("sh", "-c", "getent hosts b.lan && cat /proc/net/route | wc -l"); err != nil {
		t.Fatal(out, err)
	}
	reach := func() error {
		_, err := a.attempt("sh", "-c", "timeout 1 bash -c 'exec 3<>/dev/tcp/b.lan/9' 2>&1 | grep -q refused")
		return err
	}
	if err := reach(); err != nil {
		t.Fatal("plugged in, nobody answers: ", err)
	}
	b.cable(false)
	if err := reach(); err == nil {
		t.Fatal("pulled, and somebody answers")
	}
	b.cable(true)
	if err := reach(); err != nil {
		t.Fatal("plugged in again, nobody answers: ", err)
	}
}
