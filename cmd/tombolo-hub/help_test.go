package main_test

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/daemontest"
	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
	"tombolo/sync/store/pgtest"
)

// bin is the program as a user would run it, and guards where its authors' guards
// are.
var bin, guards string

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "tombolo-hub-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin, guards = filepath.Join(dir, "tombolo-hub"), filepath.Join(dir, "guard")
		build := exec.Command("go", "build", "-o", bin, "tombolo/cmd/tombolo-hub")
		if out, err := build.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		defer pgtest.Stop()
		os.Setenv("TOMBOLO_GUARD", guards) // this process writes as issuers and stewards
		return m.Run()
	}()
	os.Exit(code)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is a community: an issuer's desk, and folders that do not exist yet.
type world struct {
	t    *testing.T
	dir  string
	desk *folder.Folder // the issuer's, with the charter keys

	guard string // "" is the usual one
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.desk = must(folder.Open(w.path("desk"), true))
	t.Cleanup(func() { w.desk.Close() })
	charter, issuer := must(w.desk.EnsureKey(folder.CharterKey)), must(w.desk.EnsureKey(folder.IssuerKey))
	c := ledger.Charter{
		Format: 1, Kind: ledger.CommunityCharter, Slug: "islands", Version: 1, ChainID: 1, Registry: [20]byte{1}, Threshold: 1,
		Keys: [][32]byte{public(charter)}, Authors: []ledger.Author{{Role: ledger.Issuer, Key: public(issuer)}},
	}
	must(w.desk.Found(ledger.SignCharter(must(c.Marshal()), charter)))
	return w
}

func public(key ed25519.PrivateKey) [32]byte { return [32]byte(key.Public().(ed25519.PublicKey)) }

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// export writes what an issuer hands out.
func (w *world) export() string {
	w.t.Helper()
	return w.exportOf(w.desk, ledger.CommunityLog)
}

func (w *world) exportOf(f *folder.Folder, kinds ...ledger.LogKind) string {
	w.t.Helper()
	path := w.path(filepath.Base(f.Dir()) + ".ledgers")
	err := folder.WriteTo(path, 0o600, func(to io.Writer) error {
		_, err := f.Export(to, kinds, nil)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}

// name has the charter name a service by its request.
func (w *world) name(dir string, role ledger.AuthorRole) {
	w.t.Helper()
	data := must(os.ReadFile(filepath.Join(dir, folder.ServiceFile(role))))
	s, err := folder.ParseService(data)
	if err != nil {
		w.t.Fatal(err)
	}
	next := must(w.desk.Community()).Next()
	for role, key := range s.Keys {
		next.Authors = append(next.Authors, ledger.Author{Role: role, Key: key})
	}
	slices.SortFunc(next.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	if _, _, err := w.desk.Store().AddCharter(ledger.SignCharter(must(next.Marshal()), must(w.desk.Key(folder.CharterKey)))); err != nil {
		w.t.Fatal(err)
	}
}

// write appends to a folder's own ledger.
func write(t *testing.T, f *folder.Folder, kind ledger.LogKind, bodies ...ledger.Body) {
	t.Helper()
	a, err := f.Author(kind)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bodies {
		if _, err := a.Append(store.Draft{Body: b, Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
}

// node is a node's desk, with one gateway whose keys its directory has.
type node struct {
	desk, gateway *folder.Folder
	id            ledger.CharterID
}

func (w *world) node(slug string) *node {
	w.t.Helper()
	n := &node{desk: must(folder.Open(w.path(slug), true)), gateway: must(folder.Open(w.path(slug+"-gw"), true))}
	w.t.Cleanup(func() { n.desk.Close(); n.gateway.Close() })
	must(n.desk.Import(must(os.Open(w.export())), folder.PinBoth[:1], nil))
	charter, steward := must(n.desk.EnsureKey(folder.CharterKey)), must(n.desk.EnsureKey(folder.StewardKey))
	c := ledger.Charter{
		Format: 1, Kind: ledger.NodeCharter, Slug: slug, Version: 1, Community: must(w.desk.CommunityID()), Threshold: 1,
		Keys: [][32]byte{public(charter)}, Authors: []ledger.Author{{Role: ledger.Steward, Key: public(steward)}},
	}
	n.id = must(n.desk.Found(ledger.SignCharter(must(c.Marshal()), charter)))
	must(n.gateway.NewGateway(slug + "-gw"))
	write(w.t, n.desk, ledger.DirectoryLog, &ledger.DirectoryKeys{Gateway: slug + "-gw", Keys: must(n.gateway.GatewayKeys())})
	return n
}

func environment() []string { return append(os.Environ(), "TOMBOLO_GUARD="+guards) }

// environment is a machine's: one that has another guard is another.
func (w *world) environment() []string {
	return append(environment(), "TOMBOLO_GUARD="+cmp.Or(w.guard, guards))
}

// run runs a command to its end.
func (w *world) run(args ...string) (out, errs string, status int) {
	w.t.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Env, cmd.Dir = w.environment(), w.dir
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return o.String(), e.String(), exit.ExitCode()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return o.String(), e.String(), 0
}

// ok is run of what must succeed.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	out, errs, status := w.run(args...)
	if status != 0 {
		w.t.Fatalf("tombolo-hub %s: status %d: %s", strings.Join(args, " "), status, errs)
	}
	return out
}

// start runs a daemon until it has logged something.
func (w *world) start(word string, args ...string) *daemontest.Daemon {
	w.t.Helper()
	cmd := exec.Command(bin, args...)
	cmd.Env, cmd.Dir = w.environment(), w.dir
	return daemontest.Start(w.t, cmd, word)
}

// get reads a page.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, string(must(io.ReadAll(io.LimitReader(res.Body, 1<<20))))
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// hub is a folder that init made, named by the charter; the daemon is not started.
func (w *world) hub() string {
	w.t.Helper()
	dir := w.path("hub")
	w.ok("init", "--data", dir, w.export())
	w.name(dir, ledger.Hub)
	w.ok("admit", "--data", dir, w.export())
	return dir
}

var freely = []string{"--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}

func (w *world) startHub(dir string, more ...string) *daemontest.Daemon {
	w.t.Helper()
	return w.start("msg=ready", append(append([]string{"run", "--data", dir}, freely...), more...)...)
}

// taken is an address that somebody listens at.
func taken(t *testing.T) string {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}
