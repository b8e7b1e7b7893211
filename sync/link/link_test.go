package link

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/nats-io/nats-server/v2/server"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// onBrokers runs a test with the broker that gateways embed and with Debian's.
func onBrokers(t *testing.T, test func(t *testing.T, address string)) {
	t.Parallel()
	for name, address := range map[string]func(*testing.T) string{
		"nats":      func(t *testing.T) string { return natsBroker(t) },
		"mosquitto": func(t *testing.T) string { return newMosquitto(t).address() },
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, address(t)) })
	}
}

// raw is a client of the library as it comes, for what a link does not do.
func raw(tb testing.TB, address string) mqtt.Client {
	tb.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(address).SetAutoReconnect(false))
	settle(tb, c.Connect())
	tb.Cleanup(func() { c.Disconnect(100) })
	return c
}

func settle(tb testing.TB, token mqtt.Token) {
	tb.Helper()
	if !token.WaitTimeout(patience) || token.Error() != nil {
		tb.Fatalf("%T: %v", token, token.Error())
	}
}

func (h *host) send(scope replica.Scope, to replica.Peer, m replica.Message) {
	h.tb.Helper()
	if err := h.Send(scope, to, m); err != nil {
		h.tb.Fatalf("%s: %T: %v", h.cfg.Name, m, err)
	}
}

func receive(h *host, want replica.Message, scope replica.Scope, from replica.Peer) {
	h.tb.Helper()
	got := await(h, func(r Received) bool {
		return fmt.Sprintf("%T", r.Message) == fmt.Sprintf("%T", want) && r.From == from
	})
	if !equal(got.Message, want) || got.Scope != scope || got.Link != h.cfg.ID {
		h.tb.Errorf("%s: %T came as %+v in scope %v", h.cfg.Name, want, got, got.Scope)
	}
}

// TestExchange has two links exchange each message, and a third come late.
func TestExchange(t *testing.T) {
	onBrokers(t, func(t *testing.T, address string) {
		gateway, desk := config("a gateway", address), config("a desk", address)
		desk.Observer, desk.ID = true, 2
		a, b := start(t, gateway, quick), start(t, desk, quick)
		if up := await[Up](a, nil); up.Link != 1 || !slices.Equal(up.Scopes, []replica.Scope{replica.All, replica.Node}) {
			t.Errorf("%+v", up)
		}
		await[Up](b, nil)
		if p := await[PeerUp](a, nil); p != (PeerUp{1, b.cfg.Self, "a-desk", "tombolod test"}) {
			t.Errorf("%+v", p)
		}
		await[PeerUp](b, nil)

		doors, roster := newLog("a gateway", ledger.DoorLog), newLog("an issuer", ledger.CommunityLog)
		head := doors.append(t, 2, 60)
		change := roster.append(t, 40, 100)
		change.From, change.Tail = 40, nil
		held, err := ledger.Cosign(change.Note, ledger.RoleHold, testKey("a hold"), testTime+1)
		if err != nil {
			t.Fatal(err)
		}
		acknowledgement := replica.Held{Author: change.Author, Note: held}
		policy := newLog("a steward", ledger.NodeLog)
		large := policy.give(policy.append(t, 1, ledger.MaxBody), 40) // one entry with the largest body
		first, _ := charter(t, ledger.CommunityCharter)
		evidence := fork(t, "an issuer")
		none := replica.Peer{}

		a.send(replica.Node, none, head)
		receive(b, head, replica.Node, a.cfg.Self)
		a.send(replica.All, none, acknowledgement)
		receive(b, acknowledgement, replica.All, a.cfg.Self)
		a.send(replica.All, none, evidence)
		receive(b, evidence, replica.All, a.cfg.Self)
		b.send(replica.All, none, first)
		receive(a, first, replica.All, b.cfg.Self)
		want := replica.Want{Origin: roster.origin, From: 3, Note: change.Note}
		b.send(replica.Node, a.cfg.Self, want)
		receive(a, want, replica.Node, b.cfg.Self)
		a.send(replica.All, b.cfg.Self, roster.give(change, 5))
		receive(b, roster.give(change, 5), replica.All, a.cfg.Self)
		a.send(replica.Node, b.cfg.Self, large)
		receive(b, large, replica.Node, a.cfg.Self)
		if s := b.Stats(); s.Received[TypePart].Messages != 3 || s.Received[TypeGive].Messages != 2 || len(s.Refused) != 0 {
			t.Errorf("%+v", s)
		}

		late := start(t, config("a sibling", address), quick)
		await[Up](late, nil)
		missing := map[string]bool{"birth a": true, "birth b": true, "head": true, "fork": true, "charter": true}
		for len(missing) > 0 {
			switch e := late.next().(type) {
			case PeerUp:
				delete(missing, map[replica.Peer]string{a.cfg.Self: "birth a", b.cfg.Self: "birth b"}[e.Peer])
			case Received:
				switch m := e.Message.(type) {
				case replica.Head:
					if equal(m, head) {
						delete(missing, "head")
					}
				case replica.Proof:
					delete(missing, "fork")
				case replica.Charter:
					delete(missing, "charter")
				default:
					t.Errorf("a late joiner was given %T", m) // held: not its ledger; want and give: not retained
				}
			}
		}
		a.end()
		if down := await[PeerDown](b, nil); down.Peer != a.cfg.Self {
			t.Errorf("%+v", down)
		}
		eventually(t, "the late one alone is there", func() bool { return b.Stats().Peers == 1 })

		// An author that lost its disk hears how far it had signed.
		again := start(t, gateway, quick)
		receive(again, head, replica.Node, again.cfg.Self)
	})
}

// TestWillOnKill kills a participant with SIGKILL.
func TestWillOnKill(t *testing.T) {
	onBrokers(t, func(t *testing.T, address string) {
		h := start(t, config("a gateway", address), quick)
		await[Up](h, nil)
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(exe)
		child.Env = append(os.Environ(), childBroker+"="+address)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		up := await[PeerUp](h, nil)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
		if down := await[PeerDown](h, nil); up.Peer != peerOf("a child") || down.Peer != up.Peer {
			t.Errorf("%v came and %v went", up.Peer, down.Peer)
		}
	})
}

// TestWillOfAnOlderBirth has the will of a connection come after the birth of
// the next.
func TestWillOfAnOlderBirth(t *testing.T) {
	onBrokers(t, func(t *testing.T, address string) {
		h, other := start(t, config("a gateway", address), quick), start(t, config("a desk", address), quick)
		await[PeerUp](h, nil)
		await[PeerUp](other, nil)
		was := other.Stats().Sent[TypeBirth].Messages
		old := gone{Version: version, Type: TypeGone, ID: 4711}
		c := raw(t, address)
		settle(t, c.Publish(other.cfg.alive().String(), 1, true, encode(old)))
		eventually(t, "the birth is published again", func() bool { return other.Stats().Sent[TypeBirth].Messages == was+1 })
		if n := h.Stats().Peers; n != 1 {
			t.Errorf("%d peers: another birth's will ended this one", n)
		}
		late := start(t, config("a sibling", address), quick)
		await(late, func(p PeerUp) bool { return p.Peer == other.cfg.Self })
		// A second of one name does not make the two answer each other for ever.
		for i := range 50 {
			old.ID++
			settle(t, c.Publish(other.cfg.alive().String(), byte(i%2), true, encode(old)))
		}
		time.Sleep(50 * time.Millisecond)
		if n := other.Stats().Sent[TypeBirth].Messages; n != was+1 {
			t.Errorf("%d births", n)
		}
	})
}

// TestStrangeMessages has another client publish what no participant would.
func TestStrangeMessages(t *testing.T) {
	onBrokers(t, func(t *testing.T, address string) {
		doors := newLog("another gateway", ledger.DoorLog)
		head := doors.append(t, 1, 30)
		me, other := peerOf("a gateway"), peerOf("another gateway")
		all, node := base(testCommunity, place{}), base(testCommunity, inNode)
		to := func(b string) string { return b + "to/" + me.String() + "/" + other.String() }
		ofHead := topic{Community: testCommunity, Place: inNode, Sender: other, Type: TypeHead, Origin: doors.origin}
		request := must(encodeMessage(replica.Want{Origin: doors.origin}))
		c := raw(t, address)
		settle(t, c.Publish(to(node), 1, true, request)) // retained, before the link is there
		h := start(t, config("a gateway", address), quick)
		await[Up](h, nil)
		eventually(t, "the retained request is refused", func() bool { return h.Stats().Refused[RefusedRetained] == 1 })

		publish := func(topic string, b []byte) { settle(t, c.Publish(topic, 1, false, b)) }
		there := base(testCommunity, inNode)
		later := bytes.Clone(request)
		later[1] = 2
		publish(to(node), later)
		publish(to(node), []byte("open the door"))
		publish(to(node), nil)
		publish(to(node), must(encodeMessage(head)))
		publish(ofHead.String(), request)
		publish(ofHead.String(), must(encodeMessage(newLog("a gateway", ledger.DoorLog).append(t, 1, 1))))
		publish(all+"to/"+me.String()+"/gw1", request)
		publish(there+"from/gw1/alive", encode(birth{Version: 1, Type: TypeBirth}))
		publish(there+"from/"+other.String()+"/alive", encode(birth{Version: 1, Type: TypeBirth, Name: "Front Door"}))
		publish(all+"from/"+other.String()+"/head/door/x", request)
		publish(to(all), split(randomBytes(maxMessage, 1), 2)[1])
		publish(to(all), split(randomBytes(MaxPayload+1, 1), 3)[0]) // parts of nothing
		publish(to(all), split(randomBytes(MaxPayload+1, 1), 3)[1])
		publish(ofHead.String(), nil) // somebody clears what was retained
		publish(ofHead.String(), must(encodeMessage(head)))
		receive(h, head, replica.Node, other)
		want := map[Refusal]uint64{RefusedRetained: 1, RefusedVersion: 1, RefusedMessage: 7, RefusedTopic: 3, RefusedParts: 1}
		if got := h.Stats(); fmt.Sprint(got.Refused) != fmt.Sprint(want) || got.Peers != 0 {
			t.Errorf("refused %v, want %v; %d peers", got.Refused, want, got.Peers)
		}
	})
}

// TestReconnect kills the broker with SIGKILL and starts it again.
func TestReconnect(t *testing.T) {
	t.Parallel()
	broker := newMosquitto(t)
	a, b := start(t, config("a gateway", broker.address()), quick), start(t, config("a desk", broker.address()), quick)
	doors := newLog("a gateway", ledger.DoorLog)
	for range 3 {
		for _, h := range []*host{a, b} {
			await[Up](h, nil)
		}
		await(b, func(p PeerUp) bool { return p.Peer == a.cfg.Self })
		head := doors.append(t, 1, 30)
		a.send(replica.Node, replica.Peer{}, head)
		receive(b, head, replica.Node, a.cfg.Self)
		broker.kill()
		for _, h := range []*host{a, b} {
			if down := await[Down](h, nil); down.Err == nil {
				t.Error("down without a reason")
			}
			if err := h.Send(replica.Node, replica.Peer{}, head); !errors.Is(err, ErrDown) {
				t.Errorf("sent while it is down: %v", err)
			}
		}
		broker.start()
	}
	if s := a.Stats(); s.Connects < 3 || s.LastError == nil {
		t.Errorf("%+v", s)
	}
}

// TestRefusedSubscription has a broker that grants all but one filter.
func TestRefusedSubscription(t *testing.T) {
	t.Parallel()
	b := base(testCommunity, inNode)
	denied := "tombolo.v1." + testCommunity.String() + "." + testNode.String() + ".from.*.charter.>"
	s, err := server.NewServer(&server.Options{
		ServerName: "test", DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
		MQTT: server.MQTTOpts{Host: "127.0.0.1", Port: -1},
		Users: []*server.User{
			{Username: "gw1", Password: "secret", Permissions: &server.Permissions{Subscribe: &server.SubjectPermission{Allow: []string{">"}, Deny: []string{denied}}}},
			{Username: "gw2", Password: "secret"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the broker is not ready")
	}
	cfg := config("a gateway", "tcp://"+mqttAddr(t, s))
	user := "gw1"
	var mu sync.Mutex
	cfg.Login = func() (string, string) { mu.Lock(); defer mu.Unlock(); return user, "secret" }
	h := start(t, cfg, quick)
	eventually(t, "an attempt fails", func() bool { return h.Stats().LastError != nil })
	err = h.Stats().LastError
	refused, ok := errors.AsType[*RefusedError](err)
	if !errors.Is(err, ErrRefused) || !ok || refused.Filter != b+"from/+/charter/#" {
		t.Errorf("%v", err)
	}
	if st := h.Stats(); st.Up || st.Connects != 0 || st.Sent[TypeBirth].Messages != 0 {
		t.Errorf("up without a subscription: %+v", st)
	}
	mu.Lock()
	user = "gw2" // what the broker's keeper would mend
	mu.Unlock()
	await[Up](h, nil)
}

// TestNothingIsLeftBehind counts goroutines over many connections.
func TestNothingIsLeftBehind(t *testing.T) {
	broker := newMosquitto(t)
	before := runtime.NumGoroutine()
	for i := range 20 {
		h := start(t, config("a gateway", broker.address()), quick)
		await[Up](h, nil)
		if i%5 == 0 {
			broker.kill()
			await[Down](h, nil)
			broker.start()
			await[Up](h, nil)
		}
		h.end()
		if h.Stats().Up {
			t.Error("up after its end")
		}
	}
	eventually(t, fmt.Sprintf("no more than %d goroutines", before), func() bool { return runtime.NumGoroutine() <= before })
}

// TestOneRun holds that a link does not run twice at a time.
func TestOneRun(t *testing.T) {
	t.Parallel()
	h := start(t, config("a gateway", newMosquitto(t).address()), quick)
	await[Up](h, nil)
	if err := h.Run(t.Context()); err == nil {
		t.Error("it runs twice")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	events := make(chan Event)
	for name, change := range map[string]func(*Config){
		"no broker":                  func(c *Config) { c.Broker = "" },
		"no scheme":                  func(c *Config) { c.Broker = "gw1.lan:8883" },
		"an unknown scheme":          func(c *Config) { c.Broker = "ws://gw1.lan" },
		"TLS without a certificate":  func(c *Config) { c.Broker = "tls://gw1.lan" },
		"plain over the network":     func(c *Config) { c.Broker = "tcp://192.0.2.1:1883" },
		"plain to a name":            func(c *Config) { c.Broker = "tcp://gw1.lan" },
		"a login in the address":     func(c *Config) { c.Broker = "tcp://gw1:secret@127.0.0.1" },
		"a path":                     func(c *Config) { c.Broker = "tcp://127.0.0.1/mqtt" },
		"port 0":                     func(c *Config) { c.Broker = "tcp://127.0.0.1:0" },
		"a port too many":            func(c *Config) { c.Broker = "tcp://127.0.0.1:65536" },
		"no host":                    func(c *Config) { c.Broker = "tcp://:1883" },
		"no community":               func(c *Config) { c.Community = ledger.CharterID{} },
		"nobody":                     func(c *Config) { c.Self = replica.Peer{} },
		"no scope":                   func(c *Config) { c.Scopes = nil },
		"an unknown scope":           func(c *Config) { c.Scopes = append(c.Scopes, 3) },
		"a node's scope and no node": func(c *Config) { c.Node = ledger.CharterID{} },
		"a name in words":            func(c *Config) { c.SelfName = "Front Door" },
		"a line break":               func(c *Config) { c.Software = "a\nb" },
	} {
		cfg := config("a gateway", "tcp://127.0.0.1:1883")
		change(&cfg)
		if _, err := Open(cfg, events); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(config("a gateway", "tcp://127.0.0.1"), nil); !errors.Is(err, ErrConfig) {
		t.Errorf("nobody listens: %v", err)
	}
	for in, want := range map[string]string{"tcp://127.0.0.1": "tcp://127.0.0.1:1883", "tcp://[::1]:1": "tcp://[::1]:1", "tcp://localhost/": "tcp://localhost:1883"} {
		l, err := Open(config("a gateway", in), events)
		if err != nil || l.broker.String() != want {
			t.Errorf("%s: %v, %v", in, l, err)
		}
	}
}

// TestBackoff holds the bounds of what is waited.
func TestBackoff(t *testing.T) {
	t.Parallel()
	for failures, most := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		least, sum := most, time.Duration(0)
		for range 1000 {
			w := defaultTiming.wait(failures)
			if w < 0 || w > most {
				t.Fatalf("%d failures: %v", failures, w)
			}
			least, sum = min(least, w), sum+w
		}
		if mean := sum / 1000; least > most/10 || mean < most*4/10 || mean > most*6/10 {
			t.Errorf("%d failures: mean %v and least %v of at most %v: no full jitter", failures, mean, least, most)
		}
	}
	if w := defaultTiming.wait(1 << 30); w > 10*time.Second {
		t.Errorf("after very many: %v", w)
	}
}
