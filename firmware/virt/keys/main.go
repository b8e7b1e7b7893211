// Keys reads one code from the emulated board's keyboard through package
// keyboard, and listens at the same device as another program would: before,
// while and after the package has it for itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tombolo/hw/keyboard"
)

const patience = 10 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Println("keys:", err)
		os.Exit(1)
	}
}

func run() error {
	path, err := find()
	if err != nil {
		return err
	}
	other, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(other)

	fmt.Println("keys: listening at", path)
	if err := hear(other); err != nil {
		return err
	}
	fmt.Println("keys: heard")

	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	up, frames := make(chan error, 1), make(chan []byte, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- keyboard.Run(ctx, keyboard.Config{
			Device:  path,
			Frame:   func(frame []byte) { frames <- frame },
			Refused: func(err error) { fmt.Println("keys: refused:", err) },
			State:   func(_ bool, err error) { up <- err },
		})
	}()
	if err := <-up; err != nil {
		return err
	}
	if _, err := drain(other); err != nil { // what was typed up to here
		return err
	}
	fmt.Println("keys: up; another grab:", unix.IoctlSetInt(other, eviocgrab, 1))
	select {
	case frame := <-frames:
		fmt.Printf("keys: frame %q\n", frame)
	case err := <-ended:
		return fmt.Errorf("no frame: %w", err)
	}
	n, err := drain(other)
	if err != nil {
		return err
	}
	fmt.Println("keys: overheard", n, "bytes")

	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	fmt.Println("keys: let go")
	if err := hear(other); err != nil {
		return err
	}
	fmt.Println("keys: heard again")
	return nil
}

// eviocgrab is EVIOCGRAB of linux/input.h: _IOW('E', 0x90, int).
const eviocgrab = 0x40044590

// find waits for the USB keyboard.
func find() (path string, err error) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		attached, err := keyboard.List()
		if err != nil {
			return "", err
		}
		for _, a := range attached {
			if strings.Contains(a.Name, "QEMU USB Keyboard") {
				return a.Path, nil
			}
		}
	}
	return "", errors.New("no keyboard")
}

// hear waits for an event.
func hear(fd int) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if n, err := drain(fd); n > 0 || err != nil {
			return err
		}
	}
	return errors.New("heard nothing")
}

// drain reads all events that wait, and counts their bytes.
func drain(fd int) (total int, err error) {
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		total += n
	}
}
