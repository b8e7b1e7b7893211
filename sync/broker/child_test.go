package broker_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"tombolo/sync/broker"
)

// childEnv holds the JSON of a child when the test binary is to be a broker.
const childEnv = "TOMBOLO_TEST_BROKER"

// child is what a broker in a process of its own is told. It knows every peer
// whose certificate names it, as a member of node 1.
type child struct {
	Dir, Spare, Listen string
	Fill               string // a folder on a small file system to fill up first
}

func TestMain(m *testing.M) {
	if s := os.Getenv(childEnv); s != "" {
		if err := runChild(s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func runChild(s string) error {
	// A store that makes the broker grow without bound must not take the
	// machine with it.
	limit := syscall.Rlimit{Cur: 2 << 30, Max: 2 << 30}
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &limit); err != nil {
		return err
	}
	var c child
	if err := json.Unmarshal([]byte(s), &c); err != nil {
		return err
	}
	if c.Fill != "" {
		// Only this process sees it: it has a mount namespace of its own.
		if err := syscall.Mount("tmpfs", c.Fill, "tmpfs", 0, "size=256k"); err != nil {
			return err
		}
		f, err := os.Create(c.Fill + "/ballast")
		if err != nil {
			return err
		}
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "child"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return err
	}
	b, err := broker.Open(broker.Config{
		Dir: c.Dir, Spare: c.Spare, Listen: c.Listen, Community: community,
		Certificate: func() (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
		},
		Identify: func(s tls.ConnectionState) (broker.Identity, error) {
			return broker.Identity{Peer: s.PeerCertificates[0].Subject.CommonName, Nodes: []string{node1}}, nil
		},
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	fmt.Printf("%s %t\n", b.Addr(), b.Stats().Spare)
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends
	return b.Close()
}

type process struct {
	*exec.Cmd
	in    io.Closer
	addr  string
	spare bool
}

// startChild returns when the broker says that it is ready.
func startChild(t testing.TB, c child) *process {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	arg, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), childEnv+"="+string(arg))
	p.Stderr = testLog{t}
	if c.Fill != "" {
		p.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.in = in
	t.Cleanup(func() {
		in.Close()
		_ = p.Wait() // it may have been killed
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the broker did not start: %v", err)
	}
	if _, err := fmt.Sscan(strings.TrimSpace(line), &p.addr, &p.spare); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return p
}

func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // "signal: killed"
}

// stop lets the broker close.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.in.Close()
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
}

// dial connects as a peer that the child knows by its certificate's name.
func (p *process) dial(t testing.TB, name string) *peer {
	t.Helper()
	return mustDial(t, clientOptions(p.addr, selfSigned(t, name), nil))
}
