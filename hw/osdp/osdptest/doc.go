// Package osdptest is the other end of an OSDP line: peripheral devices
// (readers) in software, and a line that is as slow as a real one.
//
// It was written from the specification (IEC 60839-11-5, SIA OSDP 2.2) apart
// from package osdp and shares nothing with it, neither codec nor CRC nor
// Secure Channel, so that what one of the two misread shows in a test.
//
// Make devices with [New], hang them on a line with [NewLine], and let the
// control panel open [Line.Path] as its serial port. Then put a card into a
// device's field ([PD.Present]), press its keys, open its case, and look at
// what the panel made of it; [PD.Seen] and [PD.State] tell what the panel
// sent. [PD.Misbehave] makes a device break the protocol in one chosen way.
//
// The devices keep to the rules of the specification and hold the panel to
// them: a frame that breaks one is answered with the NAK that it deserves and
// is counted in State. What they do not have is multi-part messages,
// biometrics, PIV and the commands that version 2.2 withdrew; those get NAK 03.
package osdptest
