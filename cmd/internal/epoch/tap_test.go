package epoch

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/enroll"
)

// wiretap stands between gateways and the hub's broker with the keys of both, as
// whoever runs that broker does, and keeps all that is published, in the clear.
type wiretap struct {
	mu  sync.Mutex
	all []published
}

// published is one message: of a gateway, or to it.
type published struct {
	at       time.Time
	unit     string
	down     bool
	retained bool
	topic    string
	payload  []byte
}

// tapHub puts a wiretap before the hub's broker; gateways that are started from now
// on connect through it.
func (w *world) tapHub() *wiretap {
	w.t.Helper()
	key := func(dir string, role folder.Role) tls.Certificate {
		f := must(folder.Open(dir, false))
		defer f.Close()
		k := must(f.Key(role))
		if role == folder.HubKey {
			return must(enroll.DeskCertificate(k, time.Now()))
		}
		return must(enroll.SelfSigned(k, "tap"))
	}
	type identity struct {
		name string
		own  tls.Certificate
	}
	known := map[[32]byte]identity{}
	for _, n := range w.nodes {
		for _, u := range n.gateways {
			f := must(folder.Open(u.dir, false))
			known[must(f.Public(folder.TLSKey))] = identity{u.name, key(u.dir, folder.TLSKey)}
			f.Close()
		}
	}
	l := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{key(w.path("hub"), folder.HubKey)}, ClientAuth: tls.RequireAnyClientCert,
	}))
	w.t.Cleanup(func() { l.Close() })
	broker, spy := w.broker, &wiretap{}
	w.broker = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				down := conn.(*tls.Conn)
				if down.Handshake() != nil {
					return
				}
				who, err := enroll.KeyOf(down.ConnectionState())
				if err != nil {
					return
				}
				up, err := tls.Dial("tcp", broker, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{known[who].own}, InsecureSkipVerify: true})
				if err != nil {
					return
				}
				defer up.Close()
				go func() {
					defer down.Close()
					spy.carry(known[who].name, true, up, down)
				}()
				spy.carry(known[who].name, false, down, up)
			}()
		}
	}()
	return spy
}

// carry passes packets on until one end closes.
func (s *wiretap) carry(unit string, down bool, from net.Conn, to io.Writer) {
	for r := io.TeeReader(from, to); ; {
		p, err := packets.ReadPacket(r)
		if err != nil {
			return
		}
		if p, ok := p.(*packets.PublishPacket); ok {
			s.mu.Lock()
			s.all = append(s.all, published{time.Now(), unit, down, p.Retain, p.TopicName, p.Payload})
			s.mu.Unlock()
		}
	}
}

// sent is what gateways published, and heard what was published to them.
func (s *wiretap) sent() []published  { return s.of(false) }
func (s *wiretap) heard() []published { return s.of(true) }

func (s *wiretap) of(down bool) (out []published) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		if p.down == down {
			out = append(out, p)
		}
	}
	return out
}

// kind is what a message is, by its topic: alive, head, held, fork, charter; or to,
// with the place before it.
func (p published) kind() string {
	f := strings.Split(p.topic, "/")
	if len(f) < 6 {
		return p.topic
	}
	if f[4] == "to" {
		return f[3] + "/to"
	}
	return f[3] + "/" + f[6]
}

// tell prints what was published, for a test that fails.
func (s *wiretap) tell(t *testing.T, since time.Time) {
	for _, p := range s.of(false) {
		t.Logf("%8v %-6s %-12s retained %v, %d bytes", p.at.Sub(since).Round(10*time.Millisecond), p.unit, p.kind(), p.retained, len(p.payload))
	}
}
