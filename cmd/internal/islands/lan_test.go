package islands

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// lans counts the switches of this process.
var lans atomic.Int32

// bin is where TestMain builds both programs.
var bin string

func TestMain(m *testing.M) {
	code := func() int {
		dir, err := os.MkdirTemp("", "tombolo-islands-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-o", dir+"/", "tombolo/cmd/tombolo", "tombolo/cmd/tombolod")
		if out, err := build.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		return m.Run()
	}()
	os.Exit(code)
}

// privileged is a command that may make namespaces.
func privileged(ctx context.Context, name string, args ...string) *exec.Cmd {
	if os.Geteuid() != 0 {
		name, args = "sudo", append([]string{"-n", name}, args...)
	}
	c := exec.CommandContext(ctx, name, args...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// lan is a switch with hosts on it.
type lan struct {
	t     *testing.T
	dir   string
	sw    string // namespace of the switch
	hosts []*host
}

// host is a machine: a network namespace, and its own /etc/hosts, /etc/tombolo
// and /var/lib/tombolo.
type host struct {
	*lan
	name string // as others call it
	ns   string
	ip   string
	dir  string // etc/tombolo and var/lib/tombolo lie in it

	mu     sync.Mutex
	log    bytes.Buffer // of what was started
	daemon *exec.Cmd
}

func newLAN(t *testing.T, names ...string) *lan {
	t.Helper()
	id := fmt.Sprintf("tmb%d-%d", os.Getpid()%100000, lans.Add(1))
	l := &lan{t: t, dir: t.TempDir(), sw: id + "-sw"}
	l.sh("ip netns add " + l.sw)
	t.Cleanup(func() { l.try("ip netns del " + l.sw) })
	l.sh("ip -n " + l.sw + " link add br0 type bridge")
	l.sh("ip -n " + l.sw + " link set br0 up")
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for i, name := range names {
		h := &host{lan: l, name: name, ns: fmt.Sprintf("%s-%d", id, i), ip: fmt.Sprintf("10.77.0.%d", i+1), dir: filepath.Join(l.dir, name)}
		l.hosts = append(l.hosts, h)
		fmt.Fprintf(&hosts, "%s %s\n", h.ip, name)
		for _, d := range []string{"etc/tombolo", "var/lib/tombolo"} {
			if err := os.MkdirAll(filepath.Join(h.dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		l.sh("ip netns add " + h.ns)
		t.Cleanup(func() { l.try("ip netns del " + h.ns) })
		l.sh(fmt.Sprintf("ip -n %s link add p%d type veth peer name eth0 netns %s", l.sw, i, h.ns))
		l.sh(fmt.Sprintf("ip -n %s link set p%d master br0 up", l.sw, i))
		l.sh(fmt.Sprintf("ip -n %s addr add %s/24 dev eth0", h.ns, h.ip))
		l.sh(fmt.Sprintf("ip -n %s link set eth0 up", h.ns))
		l.sh(fmt.Sprintf("ip -n %s link set lo up", h.ns))
	}
	if err := os.WriteFile(filepath.Join(l.dir, "hosts"), []byte(hosts.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"/etc/tombolo", "/var/lib/tombolo"} { // what a host's own is mounted over
		l.sh("mkdir -p " + d)
	}
	t.Cleanup(func() {
		for _, h := range l.hosts {
			if t.Failed() && h.daemon != nil && h.name != "broker.isles.lan" {
				for _, what := range [][]string{{"sync", "status"}, {"sync", "status", "--peers"}} {
					out, err := h.attempt("tombolo", append([]string{"--dir", "/var/lib/tombolo"}, what...)...)
					t.Logf("%s: %v\n%s%v", h.name, what, out, err)
				}
			}
			h.stop(syscall.SIGKILL)
			if t.Failed() {
				t.Logf("%s:\n%s", h.name, h.logged())
			}
		}
	})
	return l
}

func (l *lan) host(name string) *host {
	for _, h := range l.hosts {
		if h.name == name {
			return h
		}
	}
	l.t.Fatalf("no host %s", name)
	return nil
}

// cable plugs a host's cable in, or pulls it.
func (h *host) cable(in bool) {
	h.t.Helper()
	state := map[bool]string{true: "up", false: "down"}[in]
	for i, other := range h.hosts {
		if other == h {
			h.sh(fmt.Sprintf("ip -n %s link set p%d %s", h.sw, i, state))
		}
	}
}

func (l *lan) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := privileged(ctx, "sh", "-c", script).CombinedOutput()
	return string(out), err
}

func (l *lan) sh(script string) {
	l.t.Helper()
	if out, err := l.try(script); err != nil {
		l.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// command is a program of this repository, or another one, on the host.
func (h *host) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if built := filepath.Join(bin, name); exists(built) {
		name = built
	}
	const mounts = `mount --bind "$1/hosts" /etc/hosts && mount --bind "$2/etc/tombolo" /etc/tombolo &&
mount --bind "$2/var/lib/tombolo" /var/lib/tombolo && cd "$2" && export HOME="$2" TOMBOLO_GUARD="$2/guard" && shift 2 && exec "$@"`
	return privileged(ctx, "ip", append([]string{"netns", "exec", h.ns, "sh", "-c", mounts, "sh", h.lan.dir, h.dir, name}, args...)...)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// run runs a command to its end and returns what it printed.
func (h *host) run(name string, args ...string) string {
	h.t.Helper()
	out, err := h.attempt(name, args...)
	if err != nil {
		h.t.Fatalf("%s: %s %s: %v\n%s", h.name, name, strings.Join(args, " "), err, out)
	}
	return out
}

func (h *host) attempt(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := h.command(ctx, name, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, errs.String())
	}
	return out.String(), nil
}

// start starts what serves, and logs what it says.
func (h *host) start(name string, args ...string) {
	h.t.Helper()
	c := h.command(context.Background(), name, args...)
	c.Stdout, c.Stderr = h, h
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.daemon = c
}

// stop ends what was started, and waits for it.
func (h *host) stop(sig syscall.Signal) {
	if h.daemon == nil {
		return
	}
	_ = h.daemon.Process.Signal(sig) // it may have ended by itself
	_ = h.daemon.Wait()              // its status says how it was killed
	h.daemon = nil
}

func (h *host) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(p)
}

func (h *host) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// file puts a file of testdata/deploy at a place on the host.
func (h *host) file(from, to string) {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../testdata/deploy", from))
	if err != nil {
		h.t.Fatal(err)
	}
	to = filepath.Join(h.dir, to)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// until waits for something to become so.
func (l *lan) until(within time.Duration, what string, so func() bool) time.Duration {
	l.t.Helper()
	began := time.Now()
	for !so() {
		if time.Since(began) > within {
			l.t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}
