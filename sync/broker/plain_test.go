package broker_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"tombolo/sync/broker"
)

func plainOptions(b *broker.Broker, name, password string) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker("tcp://" + b.PlainAddr().String()).SetUsername(name).SetPassword(password)
}

func plain(t testing.TB, b *broker.Broker, name, password string) *peer {
	t.Helper()
	return mustDial(t, plainOptions(b, name, password))
}

func TestPlainListener(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]string{"beside TLS": "127.0.0.1:0", "alone": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := standard(t)
			b := open(t, h, func(c *broker.Config) { c.Listen = listen })
			if (b.Addr() == nil) != (listen == "") {
				t.Errorf("Addr is %v", b.Addr())
			}
			file, err := os.ReadFile(b.PasswordFile())
			if err != nil {
				t.Fatal(err)
			}
			password := strings.TrimSpace(string(file))
			a, d := plain(t, b, alice, password), plain(t, b, desk, password)
			if got := b.Clients(); got != 2 {
				t.Errorf("%d clients", got)
			}
			own, forged := topic("all", "from", alice, "head/x"), topic("all", "from", bob, "head/x")
			d.subscribe(topic("all", "from/+/head/#"), 0)
			a.publish(forged, true, "x")
			a.publish(own, true, "x")
			d.await(own, "x")
			d.never(forged)

			for name, o := range map[string]*mqtt.ClientOptions{
				"no password":       plainOptions(b, alice, ""),
				"another password":  plainOptions(b, alice, password+"x"),
				"nobody":            plainOptions(b, "", password),
				"a stranger":        plainOptions(b, strings.Repeat("ff", 16), password),
				"the broker itself": plainOptions(b, "broker", password),
			} {
				if _, err := dial(t, o); !errors.Is(err, packets.ErrorRefusedNotAuthorised) && !errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) {
					t.Errorf("%s: %v", name, err)
				}
			}
			h.set(broker.Identity{Peer: alice}, false)
			b.Refresh()
			<-a.lost
		})
	}
}

// The password opens the plain listener only, and is new at each start.
func TestPasswordIsNoCertificate(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	o := clientOptions(b.Addr().String(), selfSigned(t, alice), nil).SetUsername(alice).SetPassword(b.Password())
	if _, err := dial(t, o); !errors.Is(err, packets.ErrorRefusedNotAuthorised) {
		t.Errorf("a stranger's certificate with the password: %v", err)
	}
	if other := open(t, h, nil); other.Password() == b.Password() || len(other.Password()) < 26 {
		t.Errorf("passwords %q and %q", b.Password(), other.Password())
	}
}
