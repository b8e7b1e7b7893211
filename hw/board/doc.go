// Package board drives a door's relays and contacts on the GPIO character
// device of Linux.
//
// Call [SetSafe] first, with every relay of the wiring: a killed predecessor
// may have left one energised. Then [CheckLines] and [PersistSetting] say what
// is wrong with the wiring before anything moves, [OpenRelay] and [OpenInput]
// take the lines. A chip is named by its label, because /dev/gpiochipN may be
// another one after the next boot, or as [HeaderChip], whose lines [BCMOfPin],
// [Reserved] and [PowerOnPull] know. [Lines] shows what is there, and moves
// nothing.
//
// It knows levels, not doors: no strike time, no debouncing, no logging. It
// never reads an output.
//
// # Why gpiocdev, for inputs too
//
// An output's level has to be part of the line request, which periph's
// gpioioctl cannot say. For inputs periph was tried on the emulated board
// beside go-gpiocdev, and is not used, because its GPIOLine (host v3.8.5)
//
//   - drops the kind of each edge, so that the level must be read afterwards:
//     of 384 edges 1 to 5 ms apart six changed nothing any more when it was
//     read, of 580 with 0.3 ms 24; and it drops the kernel's time stamp;
//   - cannot be closed cleanly: Halt is undone by the next WaitForEdge, Close
//     races with it on the same fields, and WaitForEdge answers false alike to a
//     timeout, a halt and a dead line, at full speed after Close;
//   - keeps 16 edges and cannot ask for more, does not switch a bias off (Float
//     sets no flag), opens every chip of the machine, and names lines after the
//     process, where CheckLines wants "tombolo".
//
// gpiocdev's reader does not end when a chip itself disappears (a USB expander
// that is pulled out): wire doors to the board's own chips.
package board
