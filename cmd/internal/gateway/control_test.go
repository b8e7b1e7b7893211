package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/gateway"
	"tombolo/hw/osdp/osdptest"
)

// TestControl: what is no question is refused, with its reason, and harms nobody.
func TestControl(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	pd := osdptest.New(osdptest.Config{Address: 3, Key: &[16]byte{1}}) // somebody else's, and not in its installation mode
	h.hang(pd, "")
	r := h.run()
	path := filepath.Join(h.dir, gateway.ControlSocket)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm() == 0o600 {
			break
		} else if time.Now().After(end) {
			t.Fatalf("%v, %v", info, err)
		}
	}
	say := func(text string) (answer struct {
		Error   string
		Readers []gateway.OSDPReader
	}, err error) {
		c := must(net.Dial("unix", path))
		defer c.Close()
		if _, err := io.WriteString(c, text); err != nil {
			return answer, err
		}
		if err := c.(*net.UnixConn).CloseWrite(); err != nil && !strings.HasSuffix(text, "\n") {
			return answer, err
		}
		line, err := bufio.NewReader(c).ReadBytes('\n')
		if err != nil {
			return answer, err
		}
		return answer, json.Unmarshal(line, &answer)
	}
	for _, c := range []struct{ name, text, want string }{
		{"an empty line", "\n", "the request is none"},
		{"no JSON", "list\n", "the request is none"},
		{"a list", "[]\n", "the request is none"},
		{"nothing to do", "{}\n", `it asks for ""`},
		{"something else to do", `{"do":"open"}` + "\n", `it asks for "open"`},
		{"an unknown key", `{"do":"osdp list","door":"front"}` + "\n", "unknown field"},
		{"two questions", `{"do":"osdp list"} {"do":"osdp list"}` + "\n", "there is more of it"},
		{"an unknown bus", `{"do":"osdp rotate","place":{"bus":"well","address":3}}` + "\n", `there is no bus "well"`},
		{"an unknown address", `{"do":"osdp rotate","place":{"bus":"wall","address":4}}` + "\n", "no OSDP reader there"},
		{"an address of all", `{"do":"osdp rotate","place":{"bus":"wall","address":127}}` + "\n", "no OSDP reader there"},
		{"an address too large", `{"do":"osdp rotate","place":{"bus":"wall","address":300}}` + "\n", "the request is none"},
		{"no window", `{"do":"osdp install","place":{"bus":"wall","address":3}}` + "\n", "a window of 0s"},
		{"a window too long", `{"do":"osdp install","place":{"bus":"wall","address":3},"window":121000000000}` + "\n", "at most 2m0s"},
		{"a window in words", `{"do":"osdp install","place":{"bus":"wall","address":3},"window":"1m"}` + "\n", "the request is none"},
		{"a rotation of what has no key", `{"do":"osdp rotate","place":{"bus":"wall","address":3}}` + "\n", "offline"},
	} {
		// The write half stays open: whoever leaves is not answered.
		conn := must(net.Dial("unix", path))
		if _, err := io.WriteString(conn, c.text); err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Error   string               `json:"error"`
			Readers []gateway.OSDPReader `json:"readers"`
		}
		line, err := bufio.NewReader(conn).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &answer)
		}
		if err != nil || !strings.Contains(answer.Error, c.want) || len(answer.Readers) != 1 {
			t.Errorf("%s: %+v, %v, want %q", c.name, answer, err, c.want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, text := range map[string]string{"half a line": `{"do":"osdp`, "nothing": "", "a line without end": strings.Repeat("x", 1<<16)} {
		if a, err := say(text); err == nil {
			t.Errorf("%s is answered: %+v", name, a)
		}
	}

	// Whoever asks may leave: the reader that is waited for is not, any more.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := gateway.Ask(ctx, h.dir, gateway.Request{Do: gateway.DoInstall, Place: wall3, Window: time.Minute}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up: %v", err)
	}
	again := gateway.Request{Do: gateway.DoInstall, Place: wall3, Window: time.Second}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := gateway.Ask(t.Context(), h.dir, again)
		if errors.Is(err, gateway.ErrDaemon) && strings.Contains(err.Error(), "installation mode") {
			break
		}
		if err == nil || time.Now().After(end) {
			t.Fatalf("asked again: %v", err)
		}
	}
	if pd.State().Key != [16]byte{1} {
		t.Error("the reader was given a key")
	}
	if o := h.online(false); o.Installed != nil && o.Installed.Generation != 0 {
		t.Errorf("%+v", o.Installed)
	}
	r.stop()
	if _, err := gateway.Ask(t.Context(), h.dir, again); !errors.Is(err, gateway.ErrNoDaemon) {
		t.Errorf("after the end: %v", err)
	}
}

// TestControlSocketTaken: what stands in the socket's place keeps no door shut.
func TestControlSocketTaken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	h.hang(osdptest.New(osdptest.Config{Address: 3}), "")
	file := filepath.Join(h.dir, gateway.ControlSocket)
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := h.run()
	if d := r.tap(h.phone); !d.Granted {
		t.Errorf("%+v", d)
	}
	if _, err := gateway.Ask(t.Context(), h.dir, gateway.Request{Do: gateway.DoList}); err == nil || !strings.Contains(err.Error(), "takes no questions") {
		t.Errorf("%v", err)
	}
	r.stop()
	if log := h.log.String(); !strings.Contains(log, "cannot ask this daemon") || !strings.Contains(log, "no socket stands there") {
		t.Errorf("the log says\n%s", log)
	}
	if b := must(os.ReadFile(file)); string(b) != "mine" {
		t.Errorf("the file holds %q", b)
	}
}
