// Guest is PID 1 of the emulated board: it keeps one program running, shows its
// output on the console, and obeys the console:
//
//	kill       SIGKILL the program; it is started again after a while, or not
//	stop       SIGTERM the program; it stays down
//	start      start the program
//	run ARGV…  run another program to its end
//	clock MS   set the clock, Unix milliseconds
//	read PATH  show a file, gzip in base64
//
// What the program tells the service manager (sd_notify(3)) is shown as well.
// Its own lines begin with "guest: ". Package qemu is the other end.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

type config struct {
	Argv         []string `json:"argv"`
	Env          []string `json:"env"`
	Manual       bool     `json:"manual"`
	RestartAfter int64    `json:"restart_after_ms"`
	StayDown     bool     `json:"stay_down"`
}

func main() {
	console, err := setUp()
	if err != nil {
		fmt.Println("guest: set-up:", err)
	}
	var cfg config
	b, err := os.ReadFile("/guest.json")
	if err == nil {
		err = json.Unmarshal(b, &cfg)
	}
	if err != nil {
		fmt.Println("guest: guest.json:", err)
	}
	fmt.Println("guest: init")

	commands := make(chan string)
	go func() {
		lines := bufio.NewScanner(console)
		for lines.Scan() {
			commands <- strings.TrimSpace(lines.Text())
		}
	}()
	if err := listen(); err != nil {
		fmt.Println("guest: notify:", err)
	}
	cfg.Env = append(cfg.Env, "NOTIFY_SOCKET="+notifySocket)
	s := supervisor{cfg: cfg, ended: make(chan error)}
	if !cfg.Manual && len(cfg.Argv) > 0 {
		s.start()
	}
	for {
		select {
		case c := <-commands:
			s.obey(c)
		case err := <-s.ended:
			s.end(err)
		case <-s.restart:
			s.start()
		}
	}
}

// setUp mounts what programs expect and makes the console the standard streams.
func setUp() (*os.File, error) {
	for _, m := range []struct{ kind, at string }{
		{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return os.Stdin, err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil && err != unix.EBUSY {
			return os.Stdin, fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	console, err := os.OpenFile("/dev/console", os.O_RDWR, 0)
	if err != nil {
		return os.Stdin, err
	}
	fd := int(console.Fd())
	for std := range 3 {
		if err := unix.Dup3(fd, std, 0); err != nil {
			return console, err
		}
	}
	// Commands are not echoed into the output.
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return console, err
	}
	mode.Lflag &^= unix.ECHO
	return console, unix.IoctlSetTermios(fd, unix.TCSETS, mode)
}

// supervisor belongs to main's loop.
type supervisor struct {
	cfg      config
	cmd      *exec.Cmd // nil while the program is down
	stopping bool
	ended    chan error
	restart  <-chan time.Time
}

func (s *supervisor) start() {
	s.restart, s.stopping = nil, false
	if s.cmd != nil {
		fmt.Println("guest: is running")
		return
	}
	cmd := command(s.cfg.Argv, s.cfg.Env)
	if err := cmd.Start(); err != nil {
		s.end(err)
		return
	}
	s.cmd = cmd
	fmt.Println("guest: started", cmd.Process.Pid)
	go func() { s.ended <- cmd.Wait() }()
}

func (s *supervisor) end(err error) {
	s.cmd = nil
	if err == nil {
		fmt.Println("guest: ended: exit status 0")
	} else {
		fmt.Println("guest: ended:", err)
	}
	if !s.stopping && !s.cfg.StayDown {
		s.restart = time.After(time.Duration(s.cfg.RestartAfter) * time.Millisecond)
	}
}

func (s *supervisor) obey(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	switch {
	case verb == "start":
		s.start()
	case verb == "run" && rest != "":
		err := command(strings.Fields(rest), s.cfg.Env).Run()
		if err == nil {
			fmt.Println("guest: ran: exit status 0")
		} else {
			fmt.Println("guest: ran:", err)
		}
	case verb == "clock":
		if err := setClock(rest); err != nil {
			fmt.Println("guest: clock:", err)
		} else {
			fmt.Println("guest: clock is set")
		}
	case verb == "read":
		if err := show(rest); err != nil {
			fmt.Println("guest: read:", err)
		} else {
			fmt.Println("guest: read")
		}
	case s.cmd == nil && (verb == "kill" || verb == "stop"):
		s.restart = nil
		fmt.Println("guest: is down")
	case verb == "kill":
		s.signal(syscall.SIGKILL)
	case verb == "stop":
		s.stopping = true
		s.signal(syscall.SIGTERM)
	default:
		fmt.Printf("guest: no such command: %q\n", line)
	}
}

func (s *supervisor) signal(sig syscall.Signal) {
	if err := s.cmd.Process.Signal(sig); err != nil {
		fmt.Println("guest: signal:", err)
	}
}

func command(argv, env []string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append([]string{"PATH=/bin", "HOME=/tmp"}, env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}
