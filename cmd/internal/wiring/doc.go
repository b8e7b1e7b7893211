// Package wiring is a gateway's own file, gateway.toml: which line drives
// which door's lock, which reports its contact and its button, and on which
// ports its readers are. It is not signed: it says what hangs on this
// machine's screws, never who may pass; that is the policy's.
//
// Call [Parse] for the file, then [Check] to hold it against the policy.
// Parse is strict, as package strict is: every mistake with line and column.
// Neither opens a device; whether the chips and ports exist is for package
// board and package scanner to find out.
package wiring
