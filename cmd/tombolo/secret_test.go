package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	syscalls "golang.org/x/sys/unix"
)

// TestAskSecretDoesNotEcho types on a terminal once it has stopped to echo, and
// reads what the terminal showed.
func TestAskSecretDoesNotEcho(t *testing.T) {
	t.Parallel()
	shown, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer shown.Close()
	defer tty.Close()
	var prompt bytes.Buffer
	e := &env{In: tty, Err: &prompt}
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, err := e.askSecret("PIN: ", "no terminal")
		done <- answer{text, err}
	}()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if s, err := syscalls.IoctlGetTermios(int(tty.Fd()), syscalls.TCGETS); err != nil {
			t.Fatal(err)
		} else if s.Lflag&syscalls.ECHO == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the terminal goes on echoing")
		}
	}
	if _, err := shown.WriteString("731905\n"); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || got.text != "731905" || prompt.String() != "PIN: \n" {
		t.Errorf("%q, %v after %q", got.text, got.err, prompt.String())
	}
	if s, err := syscalls.IoctlGetTermios(int(tty.Fd()), syscalls.TCGETS); err != nil || s.Lflag&syscalls.ECHO == 0 {
		t.Errorf("the terminal does not echo any more: %v", err)
	}
	if _, err := tty.WriteString("over"); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for b := make([]byte, 100); !bytes.Contains(text, []byte("over")); {
		n, err := shown.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b[:n]...)
	}
	if strings.Contains(string(text), "7") {
		t.Errorf("the terminal showed %q", text)
	}
}

func TestAskSecretWithoutTerminal(t *testing.T) {
	t.Parallel()
	e := &env{In: strings.NewReader("731905\n"), Err: &bytes.Buffer{}}
	if s, err := e.askSecret("PIN: ", "name a file"); s != "" || err == nil || err.Error() != "name a file" {
		t.Errorf("%q, %v", s, err)
	}
}
