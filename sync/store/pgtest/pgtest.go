package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running server, or one that was stopped or killed.
type Server struct {
	dir  string // postgres's and this process's: data, log
	bin  string // folder of the programs
	port int
	who  *syscall.Credential // nil for this process's own

	made atomic.Int64 // databases

	mu  sync.Mutex // held over a change
	run *process   // under mu: nil when it does not run
}

// Config says what kind of server it is.
type Config struct {
	// NoFsync leaves the disk to the kernel: nothing is lost by [Server.Kill],
	// everything by a power failure, and tests take half the time.
	NoFsync bool
}

var shared struct {
	sync.Mutex
	server *Server
}

// Start returns the process's server, started by the first call; the test fails if
// there is none to be had.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return StartWith(tb, Config{})
}

// StartWith is Start; the first call's cfg counts.
func StartWith(tb testing.TB, cfg Config) *Server {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		s, err := start(cfg)
		if err != nil {
			tb.Fatalf("PostgreSQL (Debian package postgresql): %v", err)
		}
		shared.server = s
	}
	return shared.server
}

// Own starts a server beside the process's, for a test that kills it; it goes with
// the test.
func Own(tb testing.TB, cfg Config) *Server {
	tb.Helper()
	s, err := start(cfg)
	if err != nil {
		tb.Fatalf("PostgreSQL (Debian package postgresql): %v", err)
	}
	tb.Cleanup(s.remove)
	return s
}

// Stop ends the process's server, if it was started, and removes its folder.
func Stop() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.remove()
		shared.server = nil
	}
}

const patience = 60 * time.Second

func start(cfg Config) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin}
	if os.Geteuid() == 0 {
		if s.who, err = unprivileged(); err != nil {
			return nil, err
		}
	}
	sweep()
	if s.dir, err = os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid())); err != nil {
		return nil, err
	}
	if err := s.prepare(cfg); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.up(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

// programs is the folder of the newest server's.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

// unprivileged is a user that the server runs as: it refuses to be root.
func unprivileged() (*syscall.Credential, error) {
	var errs error
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errs
}

const prefix = "tombolo-postgres-"

// sweep removes what processes left behind that are no more.
func sweep() {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			os.RemoveAll(dir)
		}
	}
}

func (s *Server) prepare(cfg Config) error {
	if s.who != nil {
		if err := os.Chown(s.dir, int(s.who.Uid), int(s.who.Gid)); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return err
	}
	// Its own locale and time zone, whatever the machine's are.
	cmd := s.command("initdb", "-D", s.data(), "-U", "tombolo", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	conf := fmt.Sprintf("listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = ''\nmax_connections = 400\nshared_buffers = 64MB\n"+
		"timezone = 'Pacific/Chatham'\n", s.port) // so that no query gets away with the machine's
	if cfg.NoFsync {
		conf += "fsync = off\n"
	}
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(conf)
	return errors.Join(err, f.Close())
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir, cmd.Env = s.dir, []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.who}
	return cmd
}

// process is a postmaster.
type process struct {
	*exec.Cmd
	done chan struct{} // closed when it has ended
}

// up starts the postmaster and waits until it answers.
func (s *Server) up() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command("postgres", "-D", s.data())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Setpgid = true
	// SIGINT: end at once, but in order. It comes when the thread that started it
	// ends, so that is one that lasts.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGINT
	p := &process{cmd, make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return err
	}
	s.run = p
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := s.exec("postgres", "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
		default:
			if time.Since(began) < patience {
				continue
			}
		}
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("it does not start: %w\n%s", err, tail(said))
	}
}

func tail(b []byte) []byte {
	lines := bytes.Split(b, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}

func (s *Server) exec(database, query string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url(database))
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, query)
	return errors.Join(err, c.Close(ctx))
}

func (s *Server) url(database string) string {
	return fmt.Sprintf("postgres://tombolo@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// URL makes an empty database and returns its URL, which stays the same over a
// restart. It goes with the server.
func (s *Server) URL(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test%d", s.made.Add(1))
	// A schema each: it takes a hundredth of the time that a database does.
	if err := s.exec("postgres", "CREATE SCHEMA "+name); err != nil {
		tb.Fatal(err)
	}
	return s.url("postgres") + "&search_path=" + name
}

// Database is URL for a test that cares which database it is.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test%d", s.made.Add(1))
	if err := s.exec("postgres", "CREATE DATABASE "+name); err != nil {
		tb.Fatal(err)
	}
	return s.url(name)
}

// Kill kills the server and all that it started, as kill -9 does.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return
	}
	// Of the children each is the leader of its own group; none is born when the
	// postmaster stands still.
	s.run.Process.Signal(syscall.SIGSTOP)
	all := children(s.run.Process.Pid)
	for _, pid := range all {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	s.end(syscall.SIGKILL)
	// The next one refuses to start beside any of them.
	for began := time.Now(); slices.ContainsFunc(all, alive) && time.Since(began) < patience; {
		time.Sleep(time.Millisecond)
	}
}

// alive reports whether a process runs still; one that nobody has waited for yet
// does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, found := strings.Cut(string(b), ") ") // proc(5): state follows the name
	return err == nil && found && state[0] != 'Z' && state[0] != 'X'
}

// children are the processes whose parent it is.
func children(parent int) (all []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		for _, field := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(field); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}

// Stop stops the server in order, without waiting for who is connected.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		s.end(syscall.SIGINT)
	}
}

// end is called under mu.
func (s *Server) end(signal syscall.Signal) {
	s.run.Process.Signal(signal)
	select {
	case <-s.run.done:
	case <-time.After(patience):
		s.run.Process.Kill()
		<-s.run.done
	}
	s.run = nil
}

// Restart starts it again, after Kill or Stop or as it is, and waits until it
// answers.
func (s *Server) Restart() error {
	s.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up()
}

func (s *Server) remove() {
	s.Kill()
	if err := os.RemoveAll(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, err)
	}
}
