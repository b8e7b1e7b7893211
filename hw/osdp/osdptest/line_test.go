package osdptest

import (
	"io"
	"testing"
	"time"
)

// A line takes the time that its rate has it take, over commands and replies,
// and the turnaround between them.
func TestLineTakesItsTime(t *testing.T) {
	t.Parallel()
	const baud, turnaround = 9600, 5 * time.Millisecond
	l, err := NewLine(LineConfig{Baud: baud, Turnaround: turnaround}, New(Config{Address: 1}), New(Config{Address: 2}))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	command := Frame{Address: 2, CRC: true, Code: Poll}.Encode(nil)
	start := time.Now()
	if _, err := port.Write(append([]byte{0xFF}, command...)); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 8)
	if _, err := io.ReadFull(port, reply); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	if f, err := Parse(reply); err != nil || f.Address != 2 || !f.Reply || f.Code != ACK {
		t.Errorf("% X: %v", reply, err)
	}
	// 9 bytes there, with the mark, and 8 back, 10 bits each.
	if least := turnaround + 17*10*time.Second/baud; took < least {
		t.Errorf("the exchange took %v, less than the %v of a line", took, least)
	} else {
		t.Logf("%v, of which the line %v", took, least)
	}
}

func TestPanelBaud(t *testing.T) {
	t.Parallel()
	l, err := NewLine(LineConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.PanelBaud(); got != 38400 && got != 9600 { // what the kernel gives a new terminal
		t.Errorf("a line that nobody set runs at %d", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

// What a device is told to do wrong is wrong in that one way: where the MAC is
// not what is wrong, it fits.
func TestFaultsKeepTheMAC(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{WrongSequence, OtherAddress, AsCommand, NoCRC} {
		key := [16]byte{5}
		p := New(Config{Key: &key, Vendor: [3]byte{1, 2, 3}})
		panel := handshake(t, p, key)
		p.Misbehave(Fault{Kind: kind})
		command := Frame{Sequence: 2, CRC: true, Block: []byte{scs15}, Code: LStat}.Encode(func(b []byte) []byte {
			panel.cmac = panel.mac(panel.rmac, b)
			return panel.cmac[:4]
		})
		a := p.Hear(command, time.Now())
		if len(a) != 1 {
			t.Fatalf("kind %d: %d answers", kind, len(a))
		}
		f, err := Parse(a[0].Bytes)
		if err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		want := panel.mac(panel.cmac, a[0].Bytes[:len(a[0].Bytes)-checkSize(f)-4])
		if [4]byte(f.MAC) != [4]byte(want[:4]) {
			t.Errorf("kind %d: the MAC does not fit", kind)
		}
		if right := f.Sequence == 2 && f.Address == 0 && f.Reply && f.CRC; right {
			t.Errorf("kind %d: nothing is wrong", kind)
		}
	}
}

// handshake opens a Secure Channel as a panel does and gives the panel's side.
func handshake(t *testing.T, p *PD, key [16]byte) *session {
	t.Helper()
	rndA := [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	c := hear(t, p, Frame{CRC: true, Block: []byte{scs11, 1}, Code: Challenge, Data: rndA[:]}.Encode(nil))
	s := newSession(key, rndA, [8]byte(c.Data[8:16]))
	if want := s.clientCryptogram(); [16]byte(c.Data[16:]) != want {
		t.Fatal("the device's cryptogram is wrong")
	}
	server := s.serverCryptogram()
	r := hear(t, p, Frame{Sequence: 1, CRC: true, Block: []byte{scs13, 1}, Code: SCrypt, Data: server[:]}.Encode(nil))
	if !s.open(server[:]) || [16]byte(r.Data) != s.rmac {
		t.Fatal("the first R-MAC is wrong")
	}
	return s
}
