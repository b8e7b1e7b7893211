package link

import (
	"fmt"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// BenchmarkLink carries a door log's events from one participant to another,
// retained: each is sent as a head with the one new entry as its tail, and those
// that still wait are merged, as they are when a gateway's links are busy. No
// more than window are under way, so that every entry arrives in a tail. Beside
// it stands the bare library: the same payloads one by one at QoS 1, not
// retained, with a window of its own. Door events through a link shall reach 60%
// of that. Both go through a real broker and wait until all has arrived.
func BenchmarkLink(b *testing.B) {
	for name, broker := range map[string]func(testing.TB) string{
		"nats":      natsBroker,
		"mosquitto": func(tb testing.TB) string { return newMosquitto(tb).address() },
	} {
		b.Run(name+"/bare", func(b *testing.B) { benchBare(b, broker(b)) })
		b.Run(name+"/link", func(b *testing.B) { benchLink(b, broker(b)) })
	}
}

// noteOf is a head's note by its looks: what nobody verifies here need not be
// signed.
func noteOf(origin ledger.Origin, size int64) []byte {
	return []byte(ledger.Checkpoint{Origin: origin, Size: size}.Text() + "\n— tombolo/v1/author/" + origin.Author.String() + " " + strings.Repeat("A", 101) + "A==\n")
}

// eventSource makes the head of the nth event, its one entry as large as a
// Decision.
func eventSource() func(n int64) replica.Head {
	log := newLog("a gateway", ledger.DoorLog)
	e := ledger.Seal(0, ledger.KindDecision, false, ledger.Salt{1}, testTime*1000, make([]byte, 120))
	return func(n int64) replica.Head {
		return replica.Head{Author: public(log.key), Note: noteOf(log.origin, n), From: n - 1, Tail: []ledger.Entry{e}}
	}
}

const window = 30 // entries of a Decision's size fit a tail

func benchLink(b *testing.B, address string) {
	from, to := start(b, config("a gateway", address), quick), start(b, config("another gateway", address), quick)
	await[Up](from, nil)
	await[Up](to, nil)
	next := eventSource()
	arrived := make(chan int64, window)
	go func() {
		for e := range to.events {
			if r, ok := e.(Received); ok {
				arrived <- int64(len(r.Message.(replica.Head).Tail))
			}
		}
	}()
	go func() {
		for range from.events {
		}
	}()
	var n, got int64
	for b.Loop() {
		n++
		if err := from.Send(replica.Node, replica.Peer{}, next(n)); err != nil {
			b.Fatal(err)
		}
		for n-got >= window {
			got += <-arrived
		}
	}
	for got < n {
		got += <-arrived
	}
	s := to.Stats()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(n)/float64(s.Received[TypeHead].Messages), "events/message")
	if len(s.Refused)+len(s.DroppedIn) > 0 {
		b.Errorf("%+v", s)
	}
}

func benchBare(b *testing.B, address string) {
	from, to := raw(b, address), raw(b, address)
	arrived := make(chan struct{}, 2000)
	topic := fmt.Sprintf("tombolo/v1/%v/all/from/%v/head/door/%v/0102030000000000", testCommunity, peerOf("a gateway"), peerOf("a gateway"))
	settle(b, to.Subscribe(topic, 1, func(mqtt.Client, mqtt.Message) { arrived <- struct{}{} }))
	next := eventSource()
	waiting := make(chan mqtt.Token, 100)
	var n, got int64
	for b.Loop() {
		n++
		t := from.Publish(topic, 1, false, must(encodeMessage(next(n))))
		if len(waiting) == cap(waiting) {
			settle(b, <-waiting)
		}
		waiting <- t
		for ; n-got >= 1000; got++ { // no more than mosquitto queues for a client
			<-arrived
		}
	}
	for ; got < n; got++ {
		<-arrived
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
