package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/hub"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
)

// controlSocket is where a running hub is asked how it is, in its folder: HTTP, of
// one path. Who may connect is whoever may read the keys beside it.
const controlSocket = "control.sock"

// hubStatus is how a hub that runs is. It is shown as JSON: names of fields stay as
// they are, and new ones may follow.
type hubStatus struct {
	Software  string            `json:"software"`
	Began     time.Time         `json:"began"`
	State     string            `json:"state"` // waiting for the database, or running
	Ledgers   string            `json:"ledgers_in"`
	HTTP      string            `json:"http"`
	Community string            `json:"community,omitempty"`
	Hub       string            `json:"hub,omitempty"` // key id
	Named     bool              `json:"named"`         // by the charter
	Broker    *brokerStatus     `json:"broker,omitempty"`
	Links     []peer.LinkStatus `json:"links"`
	Peers     int               `json:"peers"` // that are connected now
	Holds     []holding         `json:"holds"`
}

type brokerStatus struct {
	Listen     string `json:"listen"`
	Clients    int    `json:"clients"`
	Gateways   int    `json:"gateways_known"`
	Refused    uint64 `json:"refused"`
	Violations uint64 `json:"violations"`
}

const (
	stateWaiting = "waiting for the database"
	stateRunning = "running"
)

// control answers until ctx ends. A hub whose socket cannot be opened runs on.
func (r *running) control(ctx context.Context) {
	path := filepath.Join(r.env.dir, controlSocket)
	err := os.Remove(path) // of a process that is gone: this one has the folder's lock
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		var l net.Listener
		if l, err = net.Listen("unix", path); err == nil {
			err = errors.Join(os.Chmod(path, 0o600), r.answer(ctx, l))
		}
	}
	if err != nil && ctx.Err() == nil {
		r.log.Error("`tombolo-hub status` cannot ask this hub", "err", err)
	}
}

func (r *running) answer(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r.status()) // or whoever asked is gone
	})
	s := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 4 << 10}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (r *running) status() hubStatus {
	s := hubStatus{Software: software(), Began: r.began.UTC(), State: stateWaiting, Ledgers: r.env.where(), HTTP: r.web.address(), Links: []peer.LinkStatus{}, Holds: []holding{}}
	h := r.hub.Load()
	if h == nil {
		return s
	}
	s.State = stateRunning
	r.describe(&s, h)
	return s
}

// describe adds what a hub that runs can say.
func (r *running) describe(s *hubStatus, h *hub.Hub) {
	community := *r.community.Load()
	now := h.Peer().Status()
	s.Community, s.Hub, s.Links, s.Holds = community.ID().String(), now.Self, now.Links, holdings(h)
	s.Named = inForce(community, ledger.Hub, r.desk.public())
	for _, p := range now.Peers {
		if len(p.Links) > 0 {
			s.Peers++
		}
	}
	if r.door != nil {
		stats := r.door.Stats()
		s.Broker = &brokerStatus{r.door.Addr().String(), stats.Clients, r.door.identify.Load().Gateways(), stats.Refused, stats.Violations}
	}
}

// errNotRunning is what status says when nobody answers.
var errNotRunning = errors.New("no hub runs on this folder: start it with `tombolo-hub run` (systemctl start tombolo-hub)")

// maxStatus bounds an answer, in bytes.
const maxStatus = 16 << 20

// askStatus asks the hub that runs on a folder.
func askStatus(ctx context.Context, dir string) (s hubStatus, err error) {
	path := filepath.Join(dir, controlSocket)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://hub/status", nil)
	if err != nil {
		return s, err
	}
	res, err := client.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return s, fmt.Errorf("%w (%s)", errNotRunning, dir)
	}
	if err != nil {
		return s, err
	}
	defer res.Body.Close()
	d := json.NewDecoder(io.LimitReader(res.Body, maxStatus))
	d.DisallowUnknownFields() // the hub and who asks are of one version
	return s, d.Decode(&s)
}

func (e *env) statusCmd() *cobra.Command {
	return verb("status", "Say how the hub that runs on the folder is", func(c *cobra.Command, _ []string) error {
		if !exists(filepath.Join(e.dir, "ledgers.db")) {
			return e.noFolder(folder.ErrNoFolder)
		}
		s, err := askStatus(c.Context(), e.dir)
		if err != nil {
			return err
		}
		return e.print(s, "%s", s)
	})
}

// String is the status for people.
func (s hubStatus) String() string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s "+format+"\n", append([]any{label}, args...)...)
	}
	line("state", "%s since %s, %s", s.State, s.Began.Format(time.RFC3339), s.Software)
	line("ledgers", "in %s", s.Ledgers)
	line("http", "http://%s", s.HTTP)
	if s.State != stateRunning {
		return b.String()
	}
	named := "named by the charter"
	if !s.Named {
		named = "NOT named by the charter in force here: nobody heeds it"
	}
	line("hub", "%s, %s", s.Hub, named)
	line("community", "%s", s.Community)
	if s.Broker != nil {
		line("broker", "%s: %d connected, %s may; %d refused, %d publishes and subscribes refused", s.Broker.Listen, s.Broker.Clients, count(s.Broker.Gateways, "gateway", "gateways"), s.Broker.Refused, s.Broker.Violations)
	}
	for _, l := range s.Links {
		state := "up"
		if !l.Up {
			state = "DOWN"
			if l.Error != "" {
				state += ": " + l.Error
			}
		}
		line("link", "%s (%s): %s", l.Name, l.Broker, state)
	}
	line("peers", "%d", s.Peers)
	for _, h := range s.Holds {
		more := ""
		if h.Behind > 0 {
			more += fmt.Sprintf(", %d more announced", h.Behind)
		}
		if h.Forked > 0 {
			more += fmt.Sprintf(", %d FORKED", h.Forked)
		}
		line("holds", "%s in %s%s", count(h.Entries, "entry", "entries"), count(h.Ledgers, h.Kind+" ledger", h.Kind+" ledgers"), more)
	}
	return b.String()
}
