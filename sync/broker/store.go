package broker

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Bounds that nobody needs to set.
const (
	startTimeout     = 20 * time.Second // for a store to come up: a worn card needs seconds, not minutes
	handshakeSeconds = 5                // for TLS, and again for CONNECT
	writeDeadline    = 10 * time.Second // for a client that does not read
	maxSubscriptions = 512              // per client: two dozen for each place it may use
)

// openStore starts the server in Dir, or in Spare if Dir takes no store. A
// store that does not work is erased once in each.
func (b *Broker) openStore() error {
	// Whatever fails after this is the store's fault, so that no busy port
	// costs what was retained.
	listen := b.cfg.Listen
	if listen == "" {
		listen = b.cfg.Plain
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrListen, err)
	}
	at := *l.Addr().(*net.TCPAddr)
	if _, port, _ := net.SplitHostPort(listen); port == "0" {
		at.Port = -1 // nats-server's word for any
	}
	l.Close()

	var errs []error
	for _, dir := range []string{b.cfg.Dir, b.cfg.Spare} {
		if dir == "" {
			continue
		}
		if b.dir = dir; len(errs) > 0 {
			b.cfg.Log.Error("broker keeps its store in the spare folder", "dir", dir)
		}
		for range 2 {
			err := b.start(at)
			if err == nil || errors.Is(err, ErrListen) {
				return err
			}
			errs = append(errs, fmt.Errorf("%s: %w", dir, err))
			b.cfg.Log.Error("broker begins its store anew; retained messages come back as peers announce them", "dir", dir, "err", err)
			if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
				errs = append(errs, err)
				break
			}
		}
	}
	return fmt.Errorf("%w: %w", ErrStore, errors.Join(errs...))
}

// start runs a server in b.dir and leaves it running if everything works.
func (b *Broker) start(at net.TCPAddr) error {
	if err := prepare(b.dir); err != nil {
		return err
	}
	opts, err := b.options(at)
	if err != nil {
		return err
	}
	if b.srv, err = server.NewServer(opts); err != nil {
		return err
	}
	b.srv.SetLogger(b.log, false, false)
	b.srv.Start() // with DontListen it returns
	err = b.log.takeFatal()
	switch {
	case !b.srv.JetStreamEnabled():
		err = errors.Join(errors.New("the store does not open"), err)
	case err != nil || !b.srv.ReadyForConnections(startTimeout):
		err = errors.Join(ErrListen, err)
	default:
		b.addr = &net.TCPAddr{IP: at.IP, Port: opts.MQTT.Port}
		if err = b.boundRetained(); err == nil {
			err = b.tryRetained()
		}
	}
	if err != nil {
		b.stopServer()
	}
	return err
}

func (b *Broker) stopServer() {
	b.srv.Shutdown()
	b.srv.WaitForShutdown()
}

// prepare makes the folder, and forgets all streams but that of retained
// messages: after a crash each client that was connected would leave a session
// for ever, since none comes back under the same client ID. The index goes too:
// with it nats-server 2.15 does not check the records, and one flipped bit in a
// sequence number has it count through the gap until memory is full. Without,
// it checks each and cuts the file at the first that is wrong.
func prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	for _, s := range []string{"$MQTT_sess", "$MQTT_msgs", "$MQTT_out", "$MQTT_qos2in", retainedStream + "/obs", retainedStream + "/msgs/index.db"} {
		if err := os.RemoveAll(filepath.Join(streams, s)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) options(at net.TCPAddr) (*server.Options, error) {
	opts := &server.Options{}
	// What only its configuration language can say.
	if err := opts.ProcessConfigString("mqtt { reject_qos2_publish: true }"); err != nil {
		return nil, err
	}
	opts.ServerName = "tombolo-" + rand.Text()
	opts.DontListen = true // no port for NATS clients; no cluster, monitoring or websocket is configured
	opts.NoSigs = true
	opts.NoSystemAccount = true
	opts.DisableJetStreamBanner = true
	opts.MaxConn = b.cfg.MaxClients
	opts.MaxSubs = maxSubscriptions
	opts.MaxPayload = int32(b.cfg.MaxPayload)
	// Whoever subscribes is sent all that is retained at once. Had it not room
	// for that, one enrolled peer could keep every other one out by filling the
	// store.
	opts.MaxPending = 2*b.cfg.MaxStore + 8<<20
	opts.WriteDeadline = writeDeadline
	opts.CustomClientAuthentication = gate{b}
	opts.JetStream = true
	opts.StoreDir = b.dir
	opts.JetStreamMaxStore = 2*b.cfg.MaxStore + 8<<20 // sessions beside the retained messages
	opts.JetStreamMaxMemory = 8 << 20
	opts.StreamMaxBufferedSize = 8 << 20
	opts.SyncAlways = false
	opts.MQTT.Host = at.IP.String()
	opts.MQTT.Port = at.Port
	opts.MQTT.AuthTimeout = handshakeSeconds
	if b.cfg.Listen != "" {
		opts.MQTT.TLSTimeout = handshakeSeconds
		opts.MQTT.TLSConfig = &tls.Config{
			MinVersion: tls.VersionTLS13,
			// Self-signed certificates pass to Check, which asks Identify.
			ClientAuth: tls.RequireAnyClientCert,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return b.cfg.Certificate()
			},
			SessionTicketsDisabled: true,
		}
	}
	return opts, nil
}
