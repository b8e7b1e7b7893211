package wiring

import (
	"errors"
	"strings"
	"testing"

	"tombolo/edge/strict"
)

// fitted has what a steward buys: a Pi's header, a bus, a converter, and a reader
// of each kind.
const fitted = `[buses.wall]
port = "/dev/ttyUSB0"
baud = 9600
[adcs.hall]
kind = "ads1115"
bus = "/dev/i2c-1"
address = 73
supply = "3.3V"
[doors.front]
lock = "fail-secure"
relay = { pin = 11 }
operator = { bcm = 7, active_low = true }
sounder = { bcm = 12, active_low = true, resistor = "pull-up" }
contact = { adc = "hall", channel = 0, pull = "2.2k", series = "1k", parallel = "1k" }
rex = { bcm = 22, active_low = true, bias = "pull-up" }
tamper = { adc = "hall", channel = 1, pull = "4.7k", series = "1k", parallel = "1k" }
[[doors.front.readers]]
kind = "osdp"
bus = "wall"
address = 3
[[doors.front.readers]]
kind = "pn532"
bus = "uart:/dev/ttyS1"
side = "out"
green = { pin = 38 }
[doors.yard]
lock = "fail-secure"
relay = { chip = "pinctrl-bcm2711", line = 23 }
[[doors.yard.readers]]
kind = "pcsc"
name = "ACR1252"
[[doors.yard.readers]]
kind = "keyboard"
port = "/dev/input/event3"
[[doors.yard.readers]]
kind = "osdp"
bus = "wall"
address = 4
insecure = false
`

const (
	wall     = "[buses.wall]\nport = \"/dev/ttyUSB0\"\nbaud = 9600\n"
	usb      = `port = "/dev/ttyUSB0"`
	hall     = "[adcs.hall]\nkind = \"ads1115\"\nbus = \"/dev/i2c-1\"\naddress = 73\nsupply = \"3.3V\"\n"
	relay11  = `relay = { pin = 11 }`
	relay7   = `operator = { bcm = 7, active_low = true }`
	sounding = `sounder = { bcm = 12, active_low = true, resistor = "pull-up" }`
	chan1    = `tamper = { adc = "hall", channel = 1`
	uart     = `bus = "uart:/dev/ttyS1"`
	relay23  = `line = 23`
	acr      = `name = "ACR1252"`
	typed    = `port = "/dev/input/event3"`
	third    = "bus = \"wall\"\naddress = 3"
	fourth   = "bus = \"wall\"\naddress = 4"
)

// oneMore is fitted with one more reader at the yard's door.
func oneMore(kind, keys string) string {
	return "insecure = false\n[[doors.yard.readers]]\nkind = \"" + kind + "\"\n" + keys
}

const last = "insecure = false\n"

var fittedMistakes = []mistake{
	// Lines by header pin.
	{"pin 0", relay11, `relay = { pin = 0 }`, 11, 17, "doors.front.relay.pin", "there is no pin 0: use 1 to 40", nil},
	{"pin 41", relay11, `relay = { pin = 41 }`, 11, 17, "doors.front.relay.pin", "there is no pin 41", nil},
	{"pin negative", relay11, `relay = { pin = -1 }`, 11, 17, "doors.front.relay.pin", "there is no pin -1", nil},
	{"pin in words", relay11, `relay = { pin = "11" }`, 11, 17, "doors.front.relay.pin", `want a whole number, got "11"`, strict.ErrValue},
	{"pin of 3.3 V", relay11, `relay = { pin = 1 }`, 11, 17, "doors.front.relay.pin", "pin 1 is 3.3 V power: wire another pin", nil},
	{"pin of 5 V", relay11, `relay = { pin = 4 }`, 11, 17, "doors.front.relay.pin", "pin 4 is 5 V power", nil},
	{"pin of ground", relay11, `relay = { pin = 39 }`, 11, 17, "doors.front.relay.pin", "pin 39 is ground", nil},
	{"pin of the HAT's memory", relay11, `relay = { pin = 27 }`, 11, 17, "doors.front.relay.pin", "pin 27 is ID_SD (BCM 0)", nil},
	{"pin of a declared bus", `bcm = 22`, `pin = 5`, 15, 15, "doors.front.rex.pin", "BCM 3 (pin 5) belongs to /dev/i2c-1, where the adc hall is: wire another pin", nil},
	{"pin doubled", `bcm = 22`, `pin = 11`, 15, 15, "doors.front.rex.pin", "BCM 17 (pin 11) is front/relay already", nil},
	{"pin that is another's BCM number", `pin = 38`, `pin = 15`, 25, 17, "doors.front.readers[1].green.pin", "BCM 22 (pin 15) is front/rex already", nil},
	{"pin that is another's line", relay11, `relay = { pin = 16 }`, 28, 44, "doors.yard.relay.line", "BCM 23 (pin 16) is front/relay already", nil},
	{"pin and bcm", relay11, `relay = { pin = 11, bcm = 17 }`, 11, 21, "doors.front.relay.bcm", "pin is there too: name a line in one way", nil},
	{"pin and chip", relay11, `relay = { chip = "sim", pin = 11 }`, 11, 11, "doors.front.relay.chip", "pin is there too", nil},
	{"pin and line", relay11, `relay = { pin = 11, line = 17 }`, 11, 21, "doors.front.relay.line", "pin says already which line it is", nil},
	{"pin and adc", `{ adc = "hall", channel = 0`, `{ adc = "hall", pin = 13, channel = 0`, 14, 13, "doors.front.contact.adc", "pin is there too", nil},
	{"pin with a bias at an output", relay11, `relay = { pin = 11, bias = "pull-up" }`, 11, 21, "doors.front.relay.bias", "unknown key", strict.ErrUnknown},

	// Lines by BCM number.
	{"bcm too large", relay7, `operator = { bcm = 28 }`, 12, 20, "doors.front.operator.bcm", "want a BCM number of the header, 0 to 27, got 28", nil},
	{"bcm negative", relay7, `operator = { bcm = -7 }`, 12, 20, "doors.front.operator.bcm", "got -7", nil},
	{"bcm in words", relay7, `operator = { bcm = "GPIO7" }`, 12, 20, "doors.front.operator.bcm", `got "GPIO7"`, strict.ErrValue},
	{"bcm of the HAT's memory", relay7, `operator = { bcm = 1 }`, 12, 20, "doors.front.operator.bcm", "BCM 1 (pin 28) is reserved: it is ID_SC", nil},
	{"bcm of a declared bus", relay7, `operator = { bcm = 2 }`, 12, 20, "doors.front.operator.bcm", "BCM 2 (pin 3) belongs to /dev/i2c-1, where the adc hall is", nil},
	{"bcm doubled", relay7, `operator = { bcm = 17 }`, 12, 20, "doors.front.operator.bcm", "BCM 17 (pin 11) is front/relay already", nil},
	{"bcm that is another's line", relay7, `operator = { bcm = 23 }`, 28, 44, "doors.yard.relay.line", "BCM 23 (pin 16) is front/operator already", nil},
	{"bcm and chip", relay7, `operator = { bcm = 7, chip = "pinctrl-rp1" }`, 12, 23, "doors.front.operator.chip", "bcm is there too", nil},
	{"bcm and line", relay7, `operator = { bcm = 7, line = 7, active_low = true }`, 12, 23, "doors.front.operator.line", "bcm says already", nil},
	{"bcm and adc", `{ adc = "hall", channel = 0`, `{ bcm = 5, adc = "hall", channel = 0`, 14, 22, "doors.front.contact.adc", "bcm is there too", nil},
	{"a label's reserved line", relay23, `line = 0`, 28, 44, "doors.yard.relay.line", "BCM 0 (pin 27) is reserved", nil},
	{"a label's line of the SD card", relay23, `line = 48`, 28, 44, "doors.yard.relay.line", `line 48 of "pinctrl-bcm2711" is the board's own`, nil},
	{"a label's line of a bus", relay23, `line = 3`, 28, 44, "doors.yard.relay.line", "belongs to /dev/i2c-1", nil},
	{"a line of SPI", uart, `bus = "spi:/dev/spidev0.1"`, 12, 20, "doors.front.operator.bcm", "BCM 7 (pin 26) belongs to /dev/spidev0.1, where door front's reader 2 is", nil},
	{"a line of the header's serial port", usb, `port = "/dev/../dev/serial0"` + "\n[inputs]\nfire = { pin = 8 }\n[buses.wall.x]", 4, 16, "inputs.fire.pin", "BCM 14 (pin 8) belongs to /dev/serial0, where the OSDP bus wall is", nil},

	// What pulls at power-on.
	{"a relay that is pulled on", relay11, `relay = { bcm = 4 }`, 11, 17, "doors.front.relay.bcm", "BCM 4 is pulled up from power-on until a program drives it, which would energise this relay (active high)", nil},
	{"by its pin", relay11, `relay = { pin = 31 }`, 11, 17, "doors.front.relay.pin", "BCM 6 is pulled up", nil},
	{"by its label", relay23, `line = 8`, 28, 44, "doors.yard.relay.line", "BCM 8 is pulled up", nil},
	{"an active-low relay that is pulled on", relay11, `relay = { pin = 11, active_low = true }`, 11, 17, "doors.front.relay.pin", "BCM 17 is pulled down from power-on until a program drives it, which would energise this relay (active low)", nil},
	{"by its label, active low", relay23, `line = 23, active_low = true`, 28, 44, "doors.yard.relay.line", "BCM 23 is pulled down", nil},
	{"an operator that is pulled on", relay7, `operator = { bcm = 7 }`, 12, 20, "doors.front.operator.bcm", "would energise this operator (active high)", nil},
	{"a sounder that is pulled on", sounding, `sounder = { bcm = 12, active_low = true }`, 13, 19, "doors.front.sounder.bcm", "would energise this sounder (active low)", nil},
	{"a resistor that pulls it on", sounding, `sounder = { bcm = 12, active_low = true, resistor = "pull-down" }`, 13, 53, "doors.front.sounder.resistor", "a pull-down would energise the sounder, which is active low", nil},
	{"a resistor that pulls it on, active high", sounding, `sounder = { bcm = 12, resistor = "pull-up" }`, 13, 34, "doors.front.sounder.resistor", "a pull-up would energise the sounder, which is active high", nil},
	{"a resistor on another chip that pulls it on", relay23, `line = 1, resistor = "pull-up"`, 28, 58, "doors.yard.relay.resistor", "a pull-up would energise", nil},
	{"a resistor that is none", sounding, `sounder = { bcm = 12, active_low = true, resistor = "none" }`, 13, 53, "doors.front.sounder.resistor", `want "pull-up" or "pull-down", got "none"`, nil},
	{"a resistor's value", sounding, `sounder = { bcm = 12, active_low = true, resistor = 4700 }`, 13, 53, "doors.front.sounder.resistor", `want "pull-up" or "pull-down", got 4700`, strict.ErrValue},
	{"a resistor at an input", `bias = "pull-up"`, `resistor = "pull-up"`, 15, 38, "doors.front.rex.resistor", "unknown key", strict.ErrUnknown},
	{"a simulated resistor", relay11, `relay = { chip = "sim", resistor = "pull-up" }`, 11, 25, "doors.front.relay.resistor", `it is the one named "front/relay"`, nil},

	// Buses.
	{"bus without a port", wall, "[buses.wall]\n", 1, 2, "buses.wall.port", "missing: name the serial device", strict.ErrMissing},
	{"bus with an empty port", usb, `port = ""`, 2, 8, "buses.wall.port", "empty: want a path", nil},
	{"bus's port as a number", usb, `port = 0`, 2, 8, "buses.wall.port", "want a string, got 0", strict.ErrValue},
	{"bus's speed", "baud = 9600", "baud = 4800", 3, 8, "buses.wall.baud", "want one of 9600 19200 38400 57600 115200 230400, got 4800", nil},
	{"bus's speed in words", "baud = 9600", `baud = "fast"`, 3, 8, "buses.wall.baud", `got "fast"`, strict.ErrValue},
	{"bus with an address", "baud = 9600", "address = 3", 3, 1, "buses.wall.address", "unknown key; known: baud, port", strict.ErrUnknown},
	{"bus as a list", "[buses.wall]", "[[buses.wall]]", 1, 3, "buses.wall", "want a table, got a list", strict.ErrValue},
	{"bus as a name", wall, "buses = { wall = \"/dev/ttyUSB0\" }\n", 1, 18, "buses.wall", "want a table", strict.ErrValue},
	{"bus that is no slug", "[buses.wall]", "[buses.Wall]", 1, 2, "buses.Wall", "want a slug", strict.ErrSlug},
	{"bus doubled", "[adcs.hall]", "[buses.wall]", 4, 2, "buses.wall", "line 1", strict.ErrDoubled},
	{"bus without readers", "[adcs.hall]", "[buses.yard]\nport = \"/dev/ttyUSB1\"\n[adcs.hall]", 4, 2, "buses.yard", `no reader is on this bus: add one with kind = "osdp" and bus = "yard"`, nil},
	{"two buses on a port", "[adcs.hall]", "[buses.yard]\nport = \"/dev/./ttyUSB0\"\n[adcs.hall]", 5, 8, "buses.yard.port", "is the OSDP bus wall already: one port has one use", nil},
	{"bus on a reader's port", typed, `port = "/dev/ttyUSB0"`, 34, 8, "doors.yard.readers[1].port", "is the OSDP bus wall already", nil},
	{"buses misspelt", "[buses.wall]", "[busses.wall]", 1, 2, "busses", `did you mean "buses"?`, strict.ErrUnknown},

	// Converters.
	{"adc without a kind", "kind = \"ads1115\"\n", "", 4, 2, "adcs.hall.kind", "missing: say what converter it is", strict.ErrMissing},
	{"adc of another kind", `"ads1115"`, `"ads1015"`, 5, 8, "adcs.hall.kind", `want "ads1115", got "ads1015"`, nil},
	{"adc without a bus", "bus = \"/dev/i2c-1\"\n", "", 4, 2, "adcs.hall.bus", "missing: name the I²C device", strict.ErrMissing},
	{"adc with an empty bus", `bus = "/dev/i2c-1"`, `bus = ""`, 6, 7, "adcs.hall.bus", "empty: want a path", nil},
	{"adc's bus as a number", `bus = "/dev/i2c-1"`, `bus = 1`, 6, 7, "adcs.hall.bus", "want a string, got 1", strict.ErrValue},
	{"adc's address too low", "address = 73", "address = 71", 7, 11, "adcs.hall.address", "want 72 to 75 (0x48 to 0x4B)", nil},
	{"adc's address too high", "address = 73", "address = 76", 7, 11, "adcs.hall.address", "got 76", nil},
	{"adc's address in words", "address = 73", `address = "0x49"`, 7, 11, "adcs.hall.address", `got "0x49"`, strict.ErrValue},
	{"adc's address doubled", "[doors.front]", "[adcs.attic]\nkind = \"ads1115\"\nbus = \"/dev//i2c-1\"\naddress = 73\n[doors.front]", 12, 11, "adcs.attic.address", `address 73 (0x49) of "/dev/i2c-1" is the adc hall already`, nil},
	{"adc's supply without a unit", `"3.3V"`, `"3.3"`, 8, 10, "adcs.hall.supply", "want volts from 2 to 5.5", ErrVolts},
	{"adc's supply too low", `"3.3V"`, `"1.8V"`, 8, 10, "adcs.hall.supply", `got "1.8V"`, ErrVolts},
	{"adc's supply as a number", `"3.3V"`, `3.3`, 8, 10, "adcs.hall.supply", "want volts from 2 to 5.5", strict.ErrValue},
	{"adc with a channel", `supply = "3.3V"`, "channel = 0", 8, 1, "adcs.hall.channel", "unknown key; known: address, bus, kind, supply", strict.ErrUnknown},
	{"adc that is no slug", "[adcs.hall]", "[adcs.Hall]", 4, 2, "adcs.Hall", "want a slug", strict.ErrSlug},
	{"adc called sim", "[doors.front]", "[adcs.sim]\nkind = \"ads1115\"\nbus = \"/dev/i2c-1\"\n[doors.front]", 9, 2, "adcs.sim", "is the simulated board's", nil},
	{"adc without inputs", "[doors.front]", "[adcs.attic]\nkind = \"ads1115\"\nbus = \"/dev/i2c-1\"\n[doors.front]", 9, 2, "adcs.attic", `no input is on this adc: add one with adc = "attic"`, nil},
	{"adc that is not there", `tamper = { adc = "hall"`, `tamper = { adc = "hal"`, 16, 18, "doors.front.tamper.adc", `there is no adc "hal"; did you mean "hall"?`, nil},
	{"adc's channel too large", chan1, `tamper = { adc = "hall", channel = 4`, 16, 36, "doors.front.tamper.channel", "an ads1115 has the channels 0 to 3, got 4", nil},
	{"adc's channel doubled", chan1, `tamper = { adc = "hall", channel = 0`, 16, 36, "doors.front.tamper.channel", `channel 0 of "hall" is front/contact already`, nil},
	{"adc on a pn532's address", uart, `bus = "i2c:/dev/i2c-1"` + "\n[adcs.cellar]\nkind = \"ads1115\"\nbus = \"/dev/i2c-1\"\naddress = 36\n[doors.front.x]", 27, 11, "adcs.cellar.address", "want 72 to 75", nil},

	// OSDP readers.
	{"osdp without a bus", third, "address = 3", 17, 3, "doors.front.readers[0].bus", "missing: name the bus of [buses]", nil},
	{"osdp on an unknown bus", third, "bus = \"well\"\naddress = 3", 19, 7, "doors.front.readers[0].bus", `there is no bus "well"; did you mean "wall"?`, nil},
	{"osdp where no bus is", wall, "", 16, 7, "doors.front.readers[0].bus", `there is no bus "wall"; add [buses.NAME]`, nil},
	{"osdp's bus as a number", third, "bus = 1\naddress = 3", 19, 7, "doors.front.readers[0].bus", "want a string, got 1", strict.ErrValue},
	{"osdp without an address", third, `bus = "wall"`, 17, 3, "doors.front.readers[0].address", "missing: give its address on the bus", nil},
	{"osdp's address of all", third, "bus = \"wall\"\naddress = 127", 20, 11, "doors.front.readers[0].address", "want a whole number from 0 to 126, got 127", strict.ErrValue},
	{"osdp's address negative", third, "bus = \"wall\"\naddress = -1", 20, 11, "doors.front.readers[0].address", "got -1", strict.ErrValue},
	{"osdp's address in words", third, "bus = \"wall\"\naddress = \"3\"", 20, 11, "doors.front.readers[0].address", `got "3"`, strict.ErrValue},
	{"osdp's address doubled", fourth, "bus = \"wall\"\naddress = 3", 38, 11, "doors.yard.readers[2].address", "address 3 of the bus wall is door front's reader 1 already", nil},
	{"osdp insecure in words", "insecure = false", `insecure = "no"`, 39, 12, "doors.yard.readers[2].insecure", `want true or false, got "no"`, strict.ErrValue},
	{"osdp with a port", third, third + "\nport = \"/dev/ttyUSB0\"", 21, 1, "doors.front.readers[0].port", "it has an address on a bus of [buses]", nil},
	{"osdp with a speed", third, third + "\nbaud = 9600", 21, 1, "doors.front.readers[0].baud", "it has an address on a bus of [buses]", nil},
	{"osdp with a name", third, third + "\nname = \"x\"", 21, 1, "doors.front.readers[0].name", "it has an address on a bus of [buses]", nil},
	{"osdp with a light", third, third + "\ngreen = { pin = 40 }", 21, 1, "doors.front.readers[0].green", "with its own lights and beeper", nil},
	{"osdp with a key", third, third + "\nkey = \"00\"", 21, 1, "doors.front.readers[0].key", "unknown key", strict.ErrUnknown},

	// PN532.
	{"pn532 without a bus", uart + "\n", "", 21, 3, "doors.front.readers[1].bus", `missing: want "i2c:", "spi:" or "uart:" and its device`, nil},
	{"pn532 on a bare device", uart, `bus = "/dev/i2c-1"`, 23, 7, "doors.front.readers[1].bus", `got "/dev/i2c-1"`, nil},
	{"pn532 on another bus", uart, `bus = "usb:/dev/i2c-1"`, 23, 7, "doors.front.readers[1].bus", `want "i2c:", "spi:" or "uart:"`, nil},
	{"pn532 in capitals", uart, `bus = "I2C:/dev/i2c-1"`, 23, 7, "doors.front.readers[1].bus", `want "i2c:"`, nil},
	{"pn532 without a device", uart, `bus = "i2c:"`, 23, 7, "doors.front.readers[1].bus", `got "i2c:"`, nil},
	{"pn532 on a relative path", uart, `bus = "uart:ttyS1"`, 23, 7, "doors.front.readers[1].bus", `got "uart:ttyS1"`, nil},
	{"pn532's bus with a control character", uart, `bus = "uart:/dev/tty\u0007"`, 23, 7, "doors.front.readers[1].bus", "without control characters", nil},
	{"pn532's bus as a number", uart, `bus = 1`, 23, 7, "doors.front.readers[1].bus", "want a string", strict.ErrValue},
	{"pn532 on the port of a bus", uart, `bus = "uart:/dev/ttyUSB0"`, 23, 7, "doors.front.readers[1].bus", "is the OSDP bus wall already", nil},
	{"two pn532 on an I²C bus", last, oneMore("pn532", "bus = \"i2c:/dev/i2c-3\"\n") + oneMore("pn532", "bus = \"i2c:/dev/i2c-3\"\n")[len(last):], 45, 7, "doors.yard.readers[4].bus", `address 36 (0x24) of "/dev/i2c-3" is door yard's reader 4 already`, nil},
	{"two pn532 on an SPI device", last, oneMore("pn532", "bus = \"spi:/dev/spidev2.0\"\n") + oneMore("pn532", "bus = \"spi:/dev/spidev2.0\"\n")[len(last):], 45, 7, "doors.yard.readers[4].bus", "is door yard's reader 4 already: one port has one use", nil},
	{"pn532 with an address", uart, uart + "\naddress = 36", 24, 1, "doors.front.readers[1].address", "a PN532 has none", nil},
	{"pn532 with a port", uart, uart + "\nport = \"/dev/ttyS2\"", 24, 1, "doors.front.readers[1].port", "a PN532 has none", nil},
	{"pn532 with a speed", uart, uart + "\nbaud = 9600", 24, 1, "doors.front.readers[1].baud", "a PN532 has none", nil},
	{"pn532 insecure", uart, uart + "\ninsecure = true", 24, 1, "doors.front.readers[1].insecure", "a PN532 has none", nil},

	// PC/SC.
	{"pcsc with an empty name", acr, `name = ""`, 31, 8, "doors.yard.readers[0].name", "empty: leave it out where there is one", nil},
	{"pcsc with a long name", acr, `name = "` + strings.Repeat("x", 128) + `"`, 31, 8, "doors.yard.readers[0].name", "at most 127 bytes", nil},
	{"pcsc with a control character", acr, `name = "ACR\n"`, 31, 8, "doors.yard.readers[0].name", "without control characters", nil},
	{"pcsc's name as a number", acr, `name = 1252`, 31, 8, "doors.yard.readers[0].name", "want a string, got 1252", strict.ErrValue},
	{"pcsc with a port", acr, acr + "\nport = \"/dev/ttyS2\"", 32, 1, "doors.yard.readers[0].port", "a PC/SC reader has none: pcscd finds it", nil},
	{"pcsc with a bus", acr, acr + "\nbus = \"usb\"", 32, 1, "doors.yard.readers[0].bus", "a PC/SC reader has none", nil},
	{"pcsc with an address", acr, acr + "\naddress = 1", 32, 1, "doors.yard.readers[0].address", "a PC/SC reader has none", nil},
	{"pcsc with a speed", acr, acr + "\nbaud = 9600", 32, 1, "doors.yard.readers[0].baud", "a PC/SC reader has none", nil},
	{"pcsc doubled", last, oneMore("pcsc", "name = \"ACR1252\"\n"), 42, 8, "doors.yard.readers[3].name", `"ACR1252" is door yard's reader 1 already: one reader, one place`, nil},
	{"pcsc in small letters", last, oneMore("pcsc", "name = \"acr1252\"\n"), 42, 8, "doors.yard.readers[3].name", `"acr1252" is door yard's reader 1 already`, nil},
	{"pcsc by a part of another's name in small letters", last, oneMore("pcsc", "name = \"r12\"\n"), 42, 8, "doors.yard.readers[3].name", `"r12" is a part of "ACR1252"`, nil},
	{"pcsc by a part of another's name", last, oneMore("pcsc", "name = \"ACR\"\n"), 42, 8, "doors.yard.readers[3].name", `"ACR" is a part of "ACR1252", which is door yard's reader 1`, nil},
	{"pcsc of whose name another is a part", last, oneMore("pcsc", "name = \"ACS ACR1252 01\"\n"), 42, 8, "doors.yard.readers[3].name", `"ACR1252", a part of this name, is door yard's reader 1`, nil},
	{"two pcsc and a name", last, oneMore("pcsc", ""), 41, 8, "doors.yard.readers[3].kind", "door yard's reader 1 is on PC/SC too: give each the name", nil},
	{"two pcsc, the first without a name", acr + "\n", "[[doors.yard.readers]]\nkind = \"pcsc\"\nname = \"OMNIKEY\"\n", 33, 8, "doors.yard.readers[1].name", "door yard's reader 1 is on PC/SC too", nil},

	// Scanners that type.
	{"keyboard without a port", typed + "\n", "", 32, 3, "doors.yard.readers[1].port", "missing: name its input device", nil},
	{"keyboard with an empty port", typed, `port = ""`, 34, 8, "doors.yard.readers[1].port", "empty", nil},
	{"keyboard's port as a number", typed, `port = 3`, 34, 8, "doors.yard.readers[1].port", "want a string, got 3", strict.ErrValue},
	{"keyboard's port with a control character", typed, `port = "/dev/\u0000"`, 34, 8, "doors.yard.readers[1].port", "without control characters", nil},
	{"keyboard with a speed", typed, typed + "\nbaud = 9600", 35, 1, "doors.yard.readers[1].baud", "a scanner that types has none", nil},
	{"keyboard with a name", typed, typed + "\nname = \"x\"", 35, 1, "doors.yard.readers[1].name", "a scanner that types has none", nil},
	{"keyboard with a bus", typed, typed + "\nbus = \"wall\"", 35, 1, "doors.yard.readers[1].bus", "a scanner that types has none", nil},
	{"keyboard with an address", typed, typed + "\naddress = 3", 35, 1, "doors.yard.readers[1].address", "a scanner that types has none", nil},
	{"keyboard insecure", typed, typed + "\ninsecure = true", 35, 1, "doors.yard.readers[1].insecure", "a scanner that types has none", nil},
	{"keyboard with a layout", typed, typed + "\nlayout = \"de\"", 35, 1, "doors.yard.readers[1].layout", "unknown key", strict.ErrUnknown},
	{"keyboard doubled", last, oneMore("keyboard", "port = \"/dev/input/../input/event3\"\n"), 42, 8, "doors.yard.readers[3].port", "is door yard's reader 2 already", nil},
	{"a scanner with a name", last, oneMore("scanner", "port = \"/dev/ttyACM0\"\nname = \"x\"\n"), 43, 1, "doors.yard.readers[3].name", "a scanner has none: it is on a serial port", nil},
}

func TestFittedMalformed(t *testing.T) {
	t.Parallel()
	testMistakes(t, fitted, fittedMistakes)
}

// TestPowerOn: which outputs may hang where, as the data sheets pull the header.
func TestPowerOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		ok   bool
	}{
		{`{ bcm = 8 }`, false},
		{`{ bcm = 9 }`, true},
		{`{ bcm = 8, active_low = true }`, true},
		{`{ bcm = 9, active_low = true }`, false},
		{`{ bcm = 8, resistor = "pull-down" }`, true},
		{`{ bcm = 9, active_low = true, resistor = "pull-up" }`, true},
		{`{ bcm = 9, resistor = "pull-down" }`, true},
		{`{ bcm = 8, active_low = true, resistor = "pull-up" }`, true},
		{`{ bcm = 9, active_low = false }`, true},
		{`{ chip = "pinctrl-bcm2835", line = 9, active_low = true }`, false},
		{`{ chip = "pinctrl-rp1", line = 4 }`, false},
		{`{ chip = "raspberry-pi", line = 4 }`, false},
		{`{ chip = "pinctrl-bcm2711", line = 27 }`, true},
		{`{ chip = "pinctrl-bcm2711", line = 28 }`, false},                // the board's own
		{`{ chip = "9030000.pl061", line = 1, active_low = true }`, true}, // what pulls there nobody knows
		{`{ chip = "/dev/gpiochip0", line = 17, active_low = true }`, true},
	} {
		_, err := Parse("/t/gateway.toml", []byte("[doors.front]\nlock = \"fail-secure\"\nrelay = "+c.line+"\n"))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.line, err)
		}
	}
	// An indicator may flash while the board starts.
	if _, err := Parse("/t/gateway.toml", []byte("[doors.front]\nlock = \"fail-secure\"\nrelay = { bcm = 9 }\nreaders = [{ kind = \"pcsc\", green = { bcm = 8 } }]\n")); err != nil {
		t.Error(err)
	}
}

func TestVolts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Millivolts{"2V": 2000, "3.3V": 3300, "5V": 5000, "5.5V": 5500, "5.0V": 5000, "3.301V": 3301, "4.75V": 4750, "2.000V": 2000} {
		var m, again Millivolts
		if err := m.UnmarshalText([]byte(text)); err != nil || m != want {
			t.Errorf("%q is %d, %v, want %d", text, m, err, want)
		}
		if err := again.UnmarshalText([]byte(m.String())); err != nil || again != m {
			t.Errorf("%q is written %q, which is %d, %v", text, m, again, err)
		}
	}
	for _, text := range []string{"", "V", "5", "5.V", ".5V", "5.5", "3,3V", "3.3 V", "3.3v", "3.3mV", "1.999V", "5.501V", "12V", "05V", "3.3333V", "-3V", "+3V", "3.3VV", " 3V", "3e0V", "٣V"} {
		m := Millivolts(7)
		if err := m.UnmarshalText([]byte(text)); !errors.Is(err, ErrVolts) || m != 7 {
			t.Errorf("%q: %d, %v", text, m, err)
		}
	}
}
