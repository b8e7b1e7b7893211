package link

import (
	"testing"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// TestRevocationIsSmall holds what one revocation takes on the way to one
// gateway: one packet, with its topic, under 1 kB with what TLS and TCP add.
func TestRevocationIsSmall(t *testing.T) {
	t.Parallel()
	log := newLog("an issuer", ledger.CommunityLog)
	log.append(t, 70_000, 1) // so that sizes and indexes are those of a large community
	body, err := ledger.MarshalBody(&ledger.Suspend{Passport: 123_456, Why: "lost, reported by telephone"})
	if err != nil {
		t.Fatal(err)
	}
	h := log.append(t, 1, len(body))
	name := topic{Community: testCommunity, Sender: peerOf("an issuer"), Type: TypeHead, Origin: log.origin}
	const tls, tcp = 22, 20 + 32 // a record's head, type and tag; IPv4 and TCP with timestamps
	mqtt := len(publishPacket(name.String(), must(encodeMessage(replica.Head{Author: h.Author, Note: h.Note, From: h.From, Tail: h.Tail}))))
	t.Logf("topic %d, packet %d, on the wire %d bytes", len(name.String()), mqtt, mqtt+tls+tcp)
	if mqtt+tls+tcp > 1000 {
		t.Errorf("%d bytes on the wire", mqtt+tls+tcp)
	}
}
