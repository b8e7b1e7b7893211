// Package osdp is the control panel of an OSDP 2.2 bus (IEC 60839-11-5): the
// readers on an outer wall, up to 126 on one pair of RS-485 wires, over which
// the gateway asks each of them in turn.
//
// Call [New] with the bus and its readers, then [Bus.Run]: it opens the port,
// brings every reader into its Secure Channel, polls it, and calls the reader's
// [Handler] with what it reports, until its context ends. [Bus.Light],
// [Bus.Beep], [Bus.Text] and [Bus.Output] say what a reader shall show;
// [Bus.Install] gives a new reader its key, [Bus.Rotate] another one.
//
// A passport answers a challenge, so a reader that sends a card's number is of
// no use here ([ErrRaw]): what counts is the transparent mode of XWR and XRD
// (OSDP 2.2 §6.20, §7.26), in which the reader passes APDUs on and holds no
// secret of ours. Handler.Card gets such a card as a card.Transceiver.
//
// # What it trusts
//
// The wire runs through a wall that others can open. Unless a reader is
// configured Insecure, nothing that it says counts before the Secure Channel
// stands (Annex D: AES-128, both sides proved), and inside it nothing that
// comes in clear does, but BUSY and NAK 01, which only ask for a repetition.
// The panel never goes back to clear, nor to the default key SCBK-D, but in
// Install, which somebody has to ask for and which ends by itself. Whoever
// holds the wire can still silence a reader: that shows as State(false, …).
//
// The identity and the capabilities are asked for twice, in clear (to find the
// reader) and inside the channel (to believe it); only the latter are handed
// on, and less than was pinned at installation is refused as a downgrade.
//
// # How it is built
//
// The codec (frame.go, command.go, reply.go), the Secure Channel (secure.go),
// a reader's state (reader.go, connect.go, online.go, link.go, transparent.go) and the order of turns
// (schedule.go) are pure: time and randomness come in with the event. One
// goroutine, Run's, owns the port and all of that state; another only reads.
//
// A turn is one command and its reply. The bus gives readers their turns so
// that each is polled every 50 ms, a card's APDUs go out at once, and no reader
// waits longer than 200 ms as long as the line is fast enough for that: one
// that is silent is asked more and more seldom, and for no longer than the
// others can wait (down from the 200 ms that §5.7 allows it, unless it was
// heard to be slow).
//
// # What it does not do
//
// Biometrics, PIV, secure PIN entry and OSDP's own multi-part messages, in which no
// reader is known to take XWR: an APDU that does not fit into what a reader says
// it can receive is refused with [ErrTooLong]. The driver of an RS-485 line is
// switched by the adapter or the kernel, not here.
package osdp
