package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/fxamacker/cbor/v2"
	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
	"tombolo/sync/link"
)

// What simulated gateways say, encoded as package link does.
type (
	seaBirth struct {
		_        struct{} `cbor:",toarray"`
		Version  uint
		Type     link.Type
		ID       uint64
		Name     string
		Software string
		Time     int64
	}
	seaHead struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    link.Type
		Author  [32]byte
		Note    []byte
		From    int64
		Tail    []ledger.Entry
	}
	seaGive struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    link.Type
		Author  [32]byte
		Note    []byte
		From    int64
		Entries []ledger.Entry
		Proof   []tlog.Hash
	}
)

// simulated is a gateway's packets, as a broker delivers them to the hub.
type simulated struct {
	birth, head, give []byte
}

// playGateways plays all gateways of a sea and the broker that they and the hub are
// at, and takes as little of the processors as it can: what it sends is made
// beforehand. On each line of its input the gateways report; it says where it
// listens, and whenever a hub has subscribed.
func playGateways(s sea) error {
	all := map[ledger.KeyID]simulated{}
	order := make([]ledger.KeyID, 0, s.Gateways)
	id := s.epoch().ID()
	for n := range s.Gateways {
		g, err := s.simulate(n, id)
		if err != nil {
			return err
		}
		peer := islePeer(gatewayName(n))
		all[peer], order = g, append(order, peer)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	starts := make(chan bool)
	go func() {
		for input := bufio.NewScanner(os.Stdin); input.Scan(); {
			starts <- true
		}
		close(starts)
		l.Close() // and nobody is waited for any more
	}()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		b := &seaBroker{conn: conn, wanted: make(chan ledger.KeyID, 2*s.Gateways), pings: make(chan bool, 8), gone: make(chan struct{})}
		if err := b.greet(); err != nil {
			return err
		}
		fmt.Println("subscribed")
		if !<-starts {
			return conn.Close()
		}
		go b.read()
		if err := b.write(all, order); err != nil {
			return err
		}
	}
}

// simulate makes one gateway's packets.
func (s sea) simulate(n int, epoch ledger.EpochID) (g simulated, err error) {
	head, stretch, err := s.report(n, epoch)
	if err != nil {
		return g, err
	}
	o, author := head.Origin, [32]byte(head.Author)
	base := fmt.Sprintf("tombolo/v1/%v/hub/", s.id())
	for _, p := range []struct {
		packet  *[]byte
		topic   string
		message any
	}{
		{&g.birth, fmt.Sprintf("%sfrom/%v/alive", base, o.Author), seaBirth{Version: 1, Type: link.TypeBirth, ID: uint64(n) + 1, Name: gatewayName(n), Software: "bench", Time: time.Now().Unix()}},
		{&g.head, fmt.Sprintf("%sfrom/%v/head/%s/%v/%v", base, o.Author, o.Kind, o.Author, o.Incarnation), seaHead{Version: 1, Type: link.TypeHead, Author: author, Note: head.Note, From: head.Size, Tail: []ledger.Entry{}}},
		{&g.give, fmt.Sprintf("%sto/%v/%v", base, islePeer("hub"), o.Author), seaGive{Version: 1, Type: link.TypeGive, Author: author, Note: head.Note, Entries: stretch.Entries, Proof: []tlog.Hash{}}},
	} {
		payload, err := cbor.Marshal(p.message)
		if err != nil {
			return g, err
		}
		if len(payload) > link.MaxPayload {
			return g, fmt.Errorf("a message of %d bytes: fewer tags for each gateway", len(payload))
		}
		publish := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		publish.TopicName, publish.Payload = p.topic, payload
		var buf bytes.Buffer
		if err := publish.Write(&buf); err != nil {
			return g, err
		}
		*p.packet = buf.Bytes()
	}
	return g, nil
}

// seaBroker is the hub's connection.
type seaBroker struct {
	conn   net.Conn
	wanted chan ledger.KeyID // of whom the hub wants the report
	pings  chan bool
	gone   chan struct{} // closed when the hub is
}

// greet takes its connection and its subscriptions, and grants all (MQTT 3.1.1
// §3.2, §3.9).
func (b *seaBroker) greet() error {
	for {
		p, err := packets.ReadPacket(b.conn)
		if err != nil {
			return err
		}
		switch p := p.(type) {
		case *packets.ConnectPacket:
			err = packets.NewControlPacket(packets.Connack).Write(b.conn)
		case *packets.SubscribePacket:
			granted := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
			granted.MessageID, granted.ReturnCodes = p.MessageID, make([]byte, len(p.Topics))
			return granted.Write(b.conn)
		}
		if err != nil {
			return err
		}
	}
}

// read hears what the hub wants.
func (b *seaBroker) read() {
	defer close(b.gone)
	from := bufio.NewReaderSize(b.conn, 1<<16)
	for {
		p, err := packets.ReadPacket(from)
		if err != nil {
			return
		}
		switch p := p.(type) {
		case *packets.PingreqPacket:
			b.pings <- true
		case *packets.PublishPacket:
			_, rest, _ := strings.Cut(p.TopicName, "/to/")
			name, _, _ := strings.Cut(rest, "/")
			var peer ledger.KeyID
			if n, err := hex.Decode(peer[:], []byte(name[:min(len(name), 2*len(peer))])); err == nil && n == len(peer) {
				b.wanted <- peer
			}
		}
	}
}

// write has all gateways come and say which head they have, and gives what is
// wanted, until the hub is gone.
func (b *seaBroker) write(all map[ledger.KeyID]simulated, order []ledger.KeyID) error {
	defer b.conn.Close()
	w := bufio.NewWriterSize(b.conn, 1<<18)
	for next := 0; ; {
		var err error
		if next < len(order) {
			select {
			case peer := <-b.wanted:
				_, err = w.Write(all[peer].give)
			default:
				g := all[order[next]]
				if _, err = w.Write(g.birth); err == nil {
					_, err = w.Write(g.head)
				}
				next++
			}
		} else {
			if len(b.wanted) == 0 {
				err = w.Flush()
			}
			select {
			case peer := <-b.wanted:
				if _, bad := w.Write(all[peer].give); err == nil {
					err = bad
				}
			case <-b.pings:
				err = errors.Join(err, packets.NewControlPacket(packets.Pingresp).Write(w), w.Flush())
			case <-b.gone:
				return nil
			}
		}
		if err != nil {
			select {
			case <-b.gone:
				return nil
			case <-time.After(time.Second):
				return err
			}
		}
	}
}
