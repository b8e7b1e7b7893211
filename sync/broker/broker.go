package broker

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
)

// Errors of [Open]. Whatever else it returns names the operation that failed.
var (
	ErrConfig   = errors.New("broker: configuration")
	ErrLoopback = errors.New("broker: the plain listener must be on a loopback address (127.0.0.1 or ::1), because passwords and ledgers cross it unencrypted; remote peers use the TLS listener")
	ErrListen   = errors.New("broker: cannot listen")
	ErrStore    = errors.New("broker: no folder takes the broker's store")
)

// Config says where the broker listens, what it keeps and whom it lets in.
// Fields may be added; the zero value of a bound is its default.
type Config struct {
	// Dir is the broker's own folder, made with mode 0700 if it is missing.
	// Nothing in it is worth a backup.
	Dir string
	// Spare is used when Dir takes no store (a full or failing disk); a folder
	// on a file system in memory, such as /run's. Empty: Open fails instead.
	Spare string

	// Listen is the TLS listener's host:port; port 0 chooses one; "" for none.
	Listen string
	// Certificate is asked at every handshake, so it may rotate.
	Certificate func() (*tls.Certificate, error)
	// Identify says who shows this certificate, or an error if nobody may come
	// in with it. The handshake has proved possession of the key and nothing
	// else: no chain and no dates are checked. It is called by one goroutine at
	// a time, under the broker's lock: it answers from memory and does not call
	// the broker.
	Identify func(tls.ConnectionState) (Identity, error)

	// Plain is a listener without TLS for programs on this machine, on a
	// loopback address; "" for none. Whoever connects there needs the password
	// in Broker.PasswordFile, which only this process's user can read, and gives
	// as user name whom it speaks for.
	Plain string
	// PlainIdentity says who this user name is; as Identify otherwise.
	PlainIdentity func(name string) (Identity, error)

	// Community is its id, 64 lower-case hex digits.
	Community string
	Log       *slog.Logger

	MaxPayload int   // bytes of one message with its headers; 256 KiB
	MaxClients int   // connections, also those not identified yet; 2048
	MaxStore   int64 // bytes of retained messages with their topics twice; 8 MiB, enough for 10 gateways, more for a hub's
}

// Broker is a running broker; [Open] makes one. Its methods may be called from
// any goroutine.
type Broker struct {
	cfg      Config
	dir      string          // Dir, or Spare
	password string          // of the plain listener
	secret   string          // of the broker's own connections
	internal tls.Certificate // what the plain listener and the broker itself show at the TLS listener
	log      *lines

	srv   *server.Server // set by Open before any client is let in
	addr  net.Addr
	front *front        // nil without a plain listener beside a TLS one
	ready chan struct{} // closed when all that was retained is loaded
	stop  chan struct{} // closed by Close
	work  sync.WaitGroup

	closing sync.Once

	refused atomic.Uint64

	mu      sync.Mutex
	clients map[uint64]*client // by nats-server's client id; some may be gone already
}

// Stats are figures for metrics. Counts are since Open.
type Stats struct {
	Clients       int
	Subscriptions int    // as nats-server counts: a filter that ends in /# is two
	Violations    uint64 // publishes and subscribes that permissions refused
	Refused       uint64 // connections that were not let in
	Slow          uint64 // clients cut off because they did not read
	Stored        int64  // bytes of the store in use
	Spare         bool   // the store is in Config.Spare
}

// Open starts the broker and returns when clients are let in, with all that
// was retained before at hand. Errors: ErrConfig, ErrLoopback, ErrListen,
// ErrStore.
func Open(cfg Config) (*Broker, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	b := &Broker{
		cfg:     cfg,
		clients: map[uint64]*client{},
		ready:   make(chan struct{}),
		stop:    make(chan struct{}),
		log:     &lines{log: cfg.Log},
	}
	var err error
	if b.internal, err = internalCertificate(); err != nil {
		return nil, err
	}
	b.password, b.secret = rand.Text(), rand.Text()
	if err := b.openStore(); err != nil {
		return nil, err
	}
	if cfg.Plain != "" {
		err = writePassword(b.PasswordFile(), b.password)
		if err == nil && cfg.Listen != "" {
			b.front, err = openFront(cfg.Plain, b.dial)
		}
		if err != nil {
			b.stopServer()
			return nil, err
		}
	}
	close(b.ready)
	return b, nil
}

func (c *Config) complete() error {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxPayload == 0 {
		c.MaxPayload = 256 << 10
	}
	if c.MaxClients == 0 {
		c.MaxClients = 2048
	}
	if c.MaxStore == 0 {
		c.MaxStore = 8 << 20
	}
	switch {
	case c.Dir == "":
		return fmt.Errorf("%w: Dir is missing", ErrConfig)
	case !isHex(c.Community, 64):
		return fmt.Errorf("%w: Community %q is not 64 lower-case hex digits", ErrConfig, c.Community)
	case c.Listen == "" && c.Plain == "":
		return fmt.Errorf("%w: neither Listen nor Plain is set", ErrConfig)
	case c.Listen != "" && (c.Certificate == nil || c.Identify == nil):
		return fmt.Errorf("%w: Listen needs Certificate and Identify", ErrConfig)
	case c.Plain != "" && c.PlainIdentity == nil:
		return fmt.Errorf("%w: Plain needs PlainIdentity", ErrConfig)
	case c.MaxPayload < 1<<10 || c.MaxPayload > 16<<20:
		return fmt.Errorf("%w: MaxPayload %d is not from 1 KiB to 16 MiB", ErrConfig, c.MaxPayload)
	case c.MaxClients < 2 || c.MaxStore < int64(c.MaxPayload):
		return fmt.Errorf("%w: MaxClients must be at least 2 and MaxStore at least MaxPayload", ErrConfig)
	}
	for _, a := range []string{c.Listen, c.Plain} {
		if _, err := net.ResolveTCPAddr("tcp", a); a != "" && err != nil {
			return fmt.Errorf("%w: %q is not an address to listen at: %w", ErrConfig, a, err)
		}
	}
	if c.Plain != "" {
		return loopback(c.Plain)
	}
	return nil
}

// Addr is the TLS listener's address; nil if there is none.
func (b *Broker) Addr() net.Addr {
	if b.cfg.Listen == "" {
		return nil
	}
	return b.addr
}

// PlainAddr is the plain listener's address; nil if there is none.
func (b *Broker) PlainAddr() net.Addr {
	switch {
	case b.front != nil:
		return b.front.listener.Addr()
	case b.cfg.Listen == "":
		return b.addr
	}
	return nil
}

// PasswordFile is the file with the plain listener's password, mode 0600, new
// at every Open.
func (b *Broker) PasswordFile() string { return filepath.Join(b.dir, "password") }

// Password is what stands in PasswordFile.
func (b *Broker) Password() string { return b.password }

// Clients is the number of identified clients that are connected.
func (b *Broker) Clients() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.prune()
	return len(b.clients)
}

// Stats reads the figures.
func (b *Broker) Stats() Stats {
	s := Stats{
		Clients:       b.Clients(),
		Subscriptions: int(b.srv.NumSubscriptions()),
		Violations:    b.log.violations.Load(),
		Refused:       b.refused.Load(),
		Slow:          b.srv.NumSlowConsumersClients(),
		Spare:         b.dir != b.cfg.Dir,
	}
	if j, err := b.srv.Jsz(nil); err == nil {
		s.Stored = int64(j.Store)
	}
	return s
}

// Close disconnects everybody, whose wills fire, and waits until the store is
// written. Later calls do nothing; the error is always nil.
func (b *Broker) Close() error {
	b.closing.Do(func() {
		close(b.stop)
		b.log.closing.Store(true)
		if b.front != nil {
			b.front.close()
		}
		b.stopServer()
		b.work.Wait()
	})
	return nil
}
