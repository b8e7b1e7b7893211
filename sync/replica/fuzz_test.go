package replica

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// FuzzStep feeds a replica events made of arbitrary bytes, among them pieces of
// true messages: it never panics, stays within its bounds (host.check), and what
// is stored is always what the author wrote. A byte chooses the event, the next
// ones its arguments; see fuzzer.
func FuzzStep(f *testing.F) {
	f.Add([]byte{0, 0, 9, 9, 1, 2, 3, 4, 5, 6, 7, 8})
	f.Add([]byte{1, 0, 1, 0, 5, 3, 1, 2, 0, 0, 5, 5, 2, 9, 8, 9, 0, 9, 7, 1, 1})
	f.Add([]byte{3, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 0, 7, 5, 8, 2, 9, 9, 9, 6, 6, 6, 0, 1})
	f.Add([]byte("a head of another ledger, a give, a want, evidence, a charter and so on"))
	logs := []*history{
		newHistory(f, "issuer", ledger.CommunityLog, 1).fill(12),
		newHistory(f, "steward", ledger.NodeLog, 1).fill(9),
		newHistory(f, "gw2", ledger.DoorLog, 1).fill(9),
		newHistory(f, "gw1", ledger.DoorLog, 1).fill(6),
		newHistory(f, "somebody", ledger.DoorLog, 1).fill(4),
	}
	forked := logs[0].fork(5).fill(12)
	evidence := logs[0].forkOf(forked, 9, 12)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, l := range append(logs, forked) {
			l.tb = t
		}
		h := newUp(t, Config{Observer: len(data)%2 == 0, Ledgers: 8, LedgersPerAuthor: 3}, logs[0].at(4))
		z := &fuzzer{data: data}
		for len(z.data) > 0 {
			l := logs[z.upTo(len(logs))]
			if z.upTo(8) == 0 {
				l = forked
			}
			from := []string{"gw1", "gw2", "gw3", "hub", "somebody"}[z.upTo(5)]
			size := 1 + int64(z.upTo(int(l.tree.Size())))
			at := int64(z.upTo(int(size)))
			var m Message
			switch z.upTo(14) {
			case 0:
				m = l.head(size, at)
			case 1:
				m = l.give(at, size, size)
			case 2:
				m = l.give(at, at+1, size)
			case 3:
				m = Want{Origin: l.origin, From: z.int()}
			case 4:
				m = Want{Origin: l.origin, From: at, Note: l.note(size, 0)}
			case 5:
				m = l.held("gw2", size, z.upTo(2) == 0)
			case 6:
				m = Proof{z.spoil(evidence.Marshal())}
			case 7:
				m = Head{Author: z.bytes(32), Note: z.spoil(l.note(size, z.int())), From: z.int(), Tail: l.entries[at:size]}
			case 8:
				g := l.give(at, size, l.tree.Size())
				g.From, g.Note = z.int(), z.spoil(g.Note)
				if z.upTo(2) == 0 {
					g.Proof = append(g.Proof, tlog.Hash{})
				}
				m = g
			case 9:
				m = Charter{z.bytes(200)}
			case 10:
				h.wait(time.Duration(z.upTo(256)) * time.Duration(z.upTo(256)) * time.Millisecond)
				continue
			case 11:
				h.store()
				continue
			case 12:
				switch z.upTo(5) {
				case 0:
					h.step(LinkDown{LinkID(z.upTo(3))})
				case 1:
					h.step(LinkUp{LinkID(z.upTo(3)), []Scope{Scope(z.upTo(3)), Scope(z.upTo(3))}})
				case 2:
					h.step(PeerUp{LinkID(z.upTo(3)), testPeer(from)})
				case 3:
					h.step(PeerDown{LinkID(z.upTo(3)), testPeer(from)})
				case 4:
					h.now = h.now.Add(time.Duration(z.int()) / 1000)
					if h.now.Year() < 2000 || h.now.Year() > 2200 {
						h.now = testStart
					}
				}
				continue
			case 13:
				switch z.upTo(4) {
				case 0:
					h.step(RightsChanged{testRights().change(from, func(a *Author) { a.Removed = z.upTo(2) == 0 })})
				case 1:
					h.step(RightsChanged{testRights().change("issuer", func(a *Author) {
						a.Retired, a.Counted = true, map[ledger.Incarnation]int64{l.origin.Incarnation: at}
					})})
				case 2:
					h.step(Convicted{evidence})
				case 3:
					if len(h.pending) > 0 {
						s := h.pending[0]
						h.pending = nil
						o := s.Extension.Head().Origin
						h.step(NotStored{o, errTestGap, h.edges[o], s.Giver})
					}
				}
				continue
			}
			h.step(Received{Link: LinkID(z.upTo(3)), Scope: Scope(z.upTo(3)), From: testPeer(from), Message: m})
			for _, l := range logs {
				x := h.edges[l.origin]
				if l == logs[0] && x.Size() <= 12 && x == forked.treeAt(x.Size()) {
					continue // its author signed two histories; either is one
				}
				if x.Size() > l.tree.Size() || x != l.treeAt(x.Size()) {
					t.Fatalf("%v: %d entries that nobody wrote", l.origin, x.Size())
				}
			}
			if h.edges[logs[4].origin].Size() > 0 {
				t.Fatal("a stranger's ledger is stored")
			}
		}
	})
}

// fuzzer reads arguments from what the fuzzing engine made.
type fuzzer struct{ data []byte }

func (z *fuzzer) upTo(n int) int {
	if len(z.data) == 0 {
		return 0
	}
	b := z.data[0]
	z.data = z.data[1:]
	return int(b) % n
}

func (z *fuzzer) int() int64 {
	var b [8]byte
	n := copy(b[:], z.data)
	z.data = z.data[n:]
	return int64(binary.LittleEndian.Uint64(b[:]))
}

func (z *fuzzer) bytes(n int) []byte {
	n = min(n, len(z.data))
	b := append([]byte(nil), z.data[:n]...)
	z.data = z.data[n:]
	return b
}

// spoil flips bits of a true message, or leaves it.
func (z *fuzzer) spoil(b []byte) []byte {
	b = append([]byte(nil), b...)
	for range z.upTo(3) {
		b[(z.upTo(256)<<8|z.upTo(256))%len(b)] ^= byte(1 << z.upTo(8))
	}
	return b[:len(b)-min(z.upTo(256)/200, len(b))]
}
