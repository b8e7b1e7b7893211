// Package wiring is a gateway's own file, gateway.toml: which lines drive which
// door's lock, operator and sounder, which report its contact, its button and its
// case, where its readers are and what they show patterns with, which buses and
// converters they hang on, and what tells the gateway of fire, mains and battery. It is not signed: it says what hangs on
// this machine's screws, never who may pass; that is the policy's.
//
// Call [Parse] for the file, then [Check] to hold it against the policy.
// Parse is strict, as package strict is: every mistake with line and column.
// Neither opens a device; whether chips, ports and readers exist is for the
// drivers (hw) to find out.
//
// A line of a Raspberry Pi's header is named by its pin or its BCM number, on any
// other board by chip and line. On the header Parse knows more than that two
// must not be one: the pins of power and ground, those of the buses that the
// file uses, and what pulls a line while nobody drives it, which must not
// energise a relay. A resistor that the installer soldered against that is
// declared as such.
//
// An input is a GPIO line, or supervised: a channel of an ADC that tells a cut or
// shorted cable by the resistors at its end. Debouncing is no setting of the
// file: package door does it, in one way for all.
package wiring
