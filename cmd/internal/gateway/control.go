package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// ControlSocket is where a running daemon is asked things, in its folder; who
	// may write there is whoever may read the keys beside it.
	ControlSocket = "control.sock"

	maxRequest     = 1 << 10
	maxAnswer      = 8 << 20
	requestPatient = 5 * time.Second
	maxAsking      = 8 // at a time
)

// What a daemon is asked to do.
const (
	DoInstall = "osdp install"
	DoRotate  = "osdp rotate"
	DoList    = "osdp list"
)

// Request is what a daemon is asked: one line of JSON, which one of an answer
// follows. Daemon and asker are of one version: the form may change.
type Request struct {
	Do     string        `json:"do"`
	Place  Place         `json:"place"`
	Window time.Duration `json:"window,omitempty"` // of DoInstall, at most MaxInstall

	Passport uint64 `json:"passport,omitempty"` // of DoCensusReceipt
	Epoch    string `json:"epoch,omitempty"`    // its number or its id; "" for the newest
	Full     bool   `json:"full,omitempty"`     // with door and time
}

type reply struct {
	Error   string       `json:"error,omitempty"`
	Readers []OSDPReader `json:"readers"`
	Status  *Status      `json:"status,omitempty"` // of DoStatus

	Census  *CensusStatus `json:"census,omitempty"`  // of DoCensusStatus
	Receipt []byte        `json:"receipt,omitempty"` // of DoCensusReceipt
}

// OSDPReader is an OSDP reader of the wiring, and how it is.
type OSDPReader struct {
	Place
	Door      string     `json:"door"`
	Reader    int        `json:"reader"` // of the door, from 1
	Exit      bool       `json:"exit"`
	Insecure  bool       `json:"insecure"`
	Online    bool       `json:"online"`
	Why       string     `json:"why,omitempty"`       // it is not
	Installed *Installed `json:"installed,omitempty"` // nil if it was never given a key
}

// Errors of [Ask].
var (
	ErrNoDaemon = errors.New("no tombolod runs there: start it (systemctl start tombolod), it talks to the readers and to others")
	ErrDaemon   = errors.New("the daemon did not do it")
)

// Ask asks the daemon that runs on a folder and waits for its answer; it gives up
// what it is doing when ctx ends. ErrNoDaemon says that none runs.
func Ask(ctx context.Context, dir string, r Request) ([]OSDPReader, error) {
	a, err := ask(ctx, dir, r)
	return a.Readers, err
}

func ask(ctx context.Context, dir string, r Request) (a reply, err error) {
	var dial net.Dialer
	conn, err := dial.DialContext(ctx, "unix", filepath.Join(dir, ControlSocket))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		if runs(dir) {
			return a, fmt.Errorf("the tombolod that runs on %s takes no questions: its log says why", dir)
		}
		return a, fmt.Errorf("%s: %w", dir, ErrNoDaemon)
	case err != nil:
		return a, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	line, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return a, err
	}
	line, err = readLine(conn, maxAnswer)
	if ctx.Err() != nil {
		return a, ctx.Err()
	}
	if err != nil {
		return a, fmt.Errorf("the daemon ended before it answered: %w", err)
	}
	if err := decodeLine(line, &a); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, fmt.Errorf("%w: %s", ErrDaemon, a.Error)
	}
	return a, nil
}

// control answers until ctx ends. A socket that cannot be opened keeps no door
// shut.
func (g *Gateway) control(ctx context.Context) error {
	path := filepath.Join(g.folder.Dir(), ControlSocket)
	l, err := listenUnix(path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		g.cfg.Log.Error("commands cannot ask this daemon", "err", err)
		return nil
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var asking sync.WaitGroup
	defer asking.Wait()
	free := make(chan struct{}, maxAsking)
	for {
		free <- struct{}{}
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil {
				g.cfg.Log.Error("commands cannot ask this daemon any more", "err", err)
			}
			return nil
		}
		asking.Go(func() {
			defer func() { <-free }()
			defer conn.Close()
			if err := g.answer(ctx, conn); err != nil && ctx.Err() == nil {
				g.cfg.Log.Warn("a question was not answered", "err", err)
			}
		})
	}
}

func (g *Gateway) answer(ctx context.Context, conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(requestPatient)); err != nil {
		return err
	}
	line, err := readLine(conn, maxRequest)
	if err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // whoever asked, and the next read
	var watching sync.WaitGroup
	watching.Go(func() {
		_, _ = conn.Read(make([]byte, 1)) // whoever asked says no more, but may leave
		gone()
	})
	var a reply
	if err := g.do(ctx, line, &a); err != nil {
		a.Error = err.Error()
	}
	a.Readers = g.osdpReaders()
	if a.Error == "" && asked(line) == DoStatus {
		a.Status = g.status()
	}
	text, err := json.Marshal(a)
	if err == nil {
		_, err = conn.Write(append(text, '\n'))
	}
	gone()
	watching.Wait()
	return err
}

// errRequest is what a request is refused for that no command sends.
var errRequest = errors.New("the request is none")

// asked is what a request asks for.
func asked(line []byte) string {
	var r Request
	if decodeLine(line, &r) != nil {
		return ""
	}
	return r.Do
}

func (g *Gateway) do(ctx context.Context, line []byte, a *reply) error {
	var r Request
	if err := decodeLine(line, &r); err != nil {
		return err
	}
	switch r.Do {
	case DoList, DoStatus:
		return nil
	case DoCensusStatus, DoCensusReceipt:
		return g.doCensus(r, a)
	}
	b := g.board.buses[r.Place.Bus]
	switch {
	case r.Do != DoInstall && r.Do != DoRotate:
		return fmt.Errorf("%w: it asks for %q", errRequest, r.Do)
	case b == nil:
		return fmt.Errorf("%w: there is no bus %q", errNoReader, r.Place.Bus)
	case r.Do == DoInstall && (r.Window <= 0 || r.Window > MaxInstall):
		return fmt.Errorf("%w: a window of %v: more than none, and at most %v", errRequest, r.Window, MaxInstall)
	}
	log := g.cfg.Log.With("reader", r.Place.String())
	log.Warn(r.Do)
	var err error
	if r.Do == DoInstall {
		err = b.install(ctx, r.Place.Address, r.Window, g.cfg.Now())
	} else {
		err = b.rotate(ctx, r.Place.Address, g.cfg.Now())
	}
	if err != nil {
		log.Warn("it was not done", "what", r.Do, "err", err)
		return err
	}
	log.Warn("it was done", "what", r.Do)
	return nil
}

// osdpReaders are those of the wiring, by door.
func (g *Gateway) osdpReaders() []OSDPReader {
	all := wiredOSDP(g.cfg.Wiring, func(p Place) *Installed {
		if i, ok := g.osdp.of(p); ok {
			return &i
		}
		return nil
	})
	for n := range all {
		r := &all[n]
		var why error
		if r.Online, why = g.board.buses[r.Bus].readers[r.Address].condition(); why != nil {
			r.Why = why.Error()
		}
	}
	return all
}

func readLine(r io.Reader, limit int64) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(r, limit)).ReadBytes('\n')
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return bytes.TrimSuffix(line, []byte("\n")), err
}

func decodeLine(line []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", errRequest, err)
	}
	if d.More() {
		return fmt.Errorf("%w: there is more of it", errRequest)
	}
	return nil
}
