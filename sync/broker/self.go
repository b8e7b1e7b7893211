package broker

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// selfName is the user name of the broker's own connections; no peer's name,
// which is hex.
const selfName = "broker"

// retainedStream is where nats-server keeps retained messages, and
// retainedSubject what their subjects begin with.
const (
	retainedStream  = "$MQTT_rmsgs"
	retainedSubject = "$MQTT.rmsgs."
)

// boundRetained makes the stream of retained messages before nats-server does,
// or updates it: with a bound, beyond which a new topic is not retained but one
// that was already can still be replaced or cleared.
func (b *Broker) boundRetained() error {
	config := map[string]any{
		"name":                 retainedStream,
		"subjects":             []string{retainedSubject + ">"},
		"storage":              "file",
		"retention":            "limits",
		"max_msgs_per_subject": 1,
		"max_bytes":            b.cfg.MaxStore,
		"discard":              "new",
		"num_replicas":         1,
	}
	created := b.ask("$JS.API.STREAM.CREATE."+retainedStream, config)
	if created == nil {
		return nil
	}
	// It exists, from another version or with another bound.
	if err := b.ask("$JS.API.STREAM.UPDATE."+retainedStream, config); err != nil {
		return errors.Join(created, err)
	}
	return nil
}

// clearRetained takes back what a peer left retained. Subscribers may be handed
// a cached copy for two more minutes.
func (b *Broker) clearRetained(peer string) {
	err := b.ask("$JS.API.STREAM.PURGE."+retainedStream, map[string]any{
		"filter": retainedSubject + "tombolo.v1." + b.cfg.Community + ".*.from." + peer + ".>",
	})
	if err != nil {
		b.cfg.Log.Warn("broker could not clear what a removed peer left retained", "peer", peer, "err", err)
	}
}

// ask makes one request of JetStream's interface, over nats-server's own
// protocol on a connection in memory: docs.nats.io/reference/nats-protocols.
func (b *Broker) ask(subject string, request any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	c, err := b.srv.InProcessConn()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	reply := "_INBOX." + rand.Text()
	// The connection is unbuffered in memory: the server speaks first, so it is
	// read while this is written.
	written := make(chan error, 1)
	go func() {
		_, err := fmt.Fprintf(c, "CONNECT {\"verbose\":false,\"user\":%q,\"pass\":%q}\r\nSUB %s 1\r\nPUB %s %s %d\r\n%s\r\n",
			selfName, b.secret, reply, subject, reply, len(body), body)
		written <- err
	}()
	answer, err := readAnswer(bufio.NewReader(c))
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	if err := <-written; err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	var r struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	if r.Error != nil {
		return fmt.Errorf("%s: %s", subject, r.Error.Description)
	}
	return nil
}

// readAnswer reads lines up to the one message that is awaited.
func readAnswer(r *bufio.Reader) ([]byte, error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		f := strings.Fields(line)
		switch {
		case len(f) > 0 && f[0] == "-ERR":
			return nil, errors.New(strings.TrimSpace(line))
		case len(f) >= 4 && f[0] == "MSG":
			n, err := strconv.Atoi(f[len(f)-1])
			if err != nil || n < 0 || n > 1<<20 {
				return nil, fmt.Errorf("bad message %q", line)
			}
			answer := make([]byte, n)
			_, err = io.ReadFull(r, answer)
			return answer, err
		}
	}
}

// tryRetained keeps a message and waits until it comes back as retained. It is
// the last of the stream, so everything that was retained before is loaded
// then.
func (b *Broker) tryRetained() error {
	const topic = "tombolo/probe"
	got := make(chan []byte, 16)
	opts := mqtt.NewClientOptions().
		AddBroker("tcp://self").
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return b.dial() }).
		SetClientID("self-" + rand.Text()).
		SetUsername(selfName).SetPassword(b.secret).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetConnectTimeout(startTimeout)
	c := mqtt.NewClient(opts)
	wait := func(t mqtt.Token) error {
		if !t.WaitTimeout(startTimeout) {
			return errors.New("the store does not answer")
		}
		return t.Error()
	}
	if err := wait(c.Connect()); err != nil {
		return err
	}
	defer c.Disconnect(100)
	want := []byte(rand.Text())
	if err := wait(c.Publish(topic, 1, true, want)); err != nil {
		return err
	}
	deadline := time.Now().Add(startTimeout)
	for {
		err := wait(c.Subscribe(topic, 0, func(_ mqtt.Client, m mqtt.Message) {
			select {
			case got <- m.Payload():
			default:
			}
		}))
		if err != nil {
			return err
		}
		select {
		case p := <-got:
			if bytes.Equal(p, want) {
				return wait(c.Publish(topic, 1, true, []byte{}))
			}
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.New("the store does not give back what is put into it")
		}
		if err := wait(c.Unsubscribe(topic)); err != nil {
			return err
		}
	}
}
