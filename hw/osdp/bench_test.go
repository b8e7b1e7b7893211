package osdp

import "testing"

// BenchmarkAPDU is the panel's own share of an APDU through a reader: the command
// sealed and framed, the reply deframed, checked, opened and parsed. The
// device's half is in it, too: it has about the same to do.
func BenchmarkAPDU(b *testing.B) {
	panel, dev := sessions()
	l := link{address: 5, session: panel}
	apdu := make([]byte, 60)
	response := append([]byte{1, 2, 0, 0}, make([]byte, 74)...)
	d := new(deframer)
	b.ReportAllocs()
	for b.Loop() {
		command, err := l.send(sendAPDU(apdu))
		if err != nil {
			b.Fatal(err)
		}
		for rest := dev.reply(b, command, repXRD, response); len(rest) > 0; {
			f, encoded, used := d.push(rest)
			if rest = rest[used:]; encoded == nil {
				continue
			}
			a := l.take(f, encoded)
			if a.kind != answerReply {
				b.Fatal(a.err)
			}
			if _, err := parseReply(a.code, a.data); err != nil {
				b.Fatal(err)
			}
			l.received()
		}
	}
}
