// Package console is what both programs show people at a terminal, and ask them:
// QR symbols in block characters, and the digits of an enrolment.
package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"
)

// Draw makes a symbol at error correction level M.
func Draw(text string) (*qr.Code, error) { return qr.Encode(text, qr.M) }

// quiet is the quiet zone, in modules (ISO/IEC 18004 §6.3.8).
const quiet = 4

// Blocks draws a symbol with its quiet zone, two rows of modules to a line of
// text. colours makes it dark on light whatever the terminal's own are.
func Blocks(c *qr.Code, colours bool) string {
	var b strings.Builder
	for y := -quiet; y < c.Size+quiet; y += 2 {
		if colours {
			b.WriteString("\x1b[30;107m")
		}
		for x := -quiet; x < c.Size+quiet; x++ {
			switch top, bottom := c.Black(x, y), c.Black(x, y+1); {
			case top && bottom:
				b.WriteRune('█')
			case top:
				b.WriteRune('▀')
			case bottom:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		if colours {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Screen is one side's person at an enrolment by short code (package enroll).
type Screen struct {
	In    io.Reader
	Out   io.Writer
	Other string // where the digits shown here are typed: "gateway", "steward's tool"
}

// Show implements enroll.Screen.
func (s Screen) Show(digits string) error {
	_, err := fmt.Fprintf(s.Out, "Type at the %s:  %s\n", s.Other, digits)
	return err
}

// Type implements enroll.Screen.
func (s Screen) Type(ctx context.Context) (string, error) {
	fmt.Fprintf(s.Out, "Digits that the %s shows: ", s.Other)
	return readLine(ctx, s.In)
}

const maxLine = 64

var errLong = errors.New("that is more than was asked for")

// readLine reads a line, or gives up when ctx ends: what is typed then is lost,
// as nobody waits for it any more.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type typed struct {
		line string
		err  error
	}
	done := make(chan typed, 1)
	go func() {
		var line []byte
		for b := make([]byte, 1); len(line) < maxLine; {
			n, err := in.Read(b)
			if n == 1 && b[0] == '\n' || err != nil && len(line) > 0 {
				done <- typed{strings.TrimSpace(string(line)), nil}
				return
			}
			if err != nil {
				done <- typed{"", err}
				return
			}
			line = append(line, b[:n]...)
		}
		done <- typed{"", errLong}
	}()
	select {
	case t := <-done:
		return t.line, t.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
