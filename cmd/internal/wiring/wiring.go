package wiring

// SimChip is the chip that is not there: the simulated board.
const SimChip = "sim"

// DefaultBaud is a scanner's speed when the file does not say.
const DefaultBaud = 9600

// Wiring is a valid gateway.toml. Paths in it are absolute, or relative to
// the working directory if the file's own path was.
type Wiring struct {
	Data  string // folder of keys, ledgers and roster
	Name  string // gateway's slug that the enrolment must show; "" for any
	Sim   Sim
	Doors map[string]*Door
}

// Sim is the simulated board.
type Sim struct {
	Socket string // Unix socket that shows and moves the lines; "" without simulated lines
}

// Door is what is wired at one door.
type Door struct {
	Name    string
	Lock    Lock
	Relay   Line
	Contact *Line // active = open; nil if there is none
	Rex     *Line // active = somebody wants out; nil if there is none
	Readers []Reader
}

// Line is one GPIO line, or a named line of the simulated board.
type Line struct {
	Chip      string // label, path as in /dev/gpiochip0, or SimChip
	Offset    int    // 0 to 1023; 0 if simulated
	ActiveLow bool
	Bias      Bias   // inputs only
	Name      string // what it is at which door, as in "front/relay": consumer, logs, simulated board
}

// Simulated tells whether the line is on the simulated board.
func (l Line) Simulated() bool { return l.Chip == SimChip }

// Reader is one reader.
type Reader struct {
	Kind Kind
	Port string // path of the serial device
	Baud int    // bits per second
	Side Side
}
