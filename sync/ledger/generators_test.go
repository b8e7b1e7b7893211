package ledger

import (
	"encoding/binary"
	"slices"

	"pgregory.net/rapid"
)

func slug(t *rapid.T, name string) string {
	return rapid.StringMatching(`[a-z0-9-]{1,32}`).Draw(t, name)
}

func words(t *rapid.T, name string, least, most int) string {
	return rapid.StringOfN(rapid.SampledFrom([]rune("aZ09 .:-/é日🔑\u200d")), least, most, -1).Draw(t, name)
}

func blob(t *rapid.T, name string, least, most int) []byte {
	return rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, name)
}

// key32 is never zero.
func key32(t *rapid.T, name string) (k [32]byte) {
	copy(k[:], blob(t, name, 32, 32))
	k[0] |= 1
	return k
}

// sig64 is never zero.
func sig64(t *rapid.T) (s [64]byte) {
	copy(s[:], blob(t, "signature", 64, 64))
	s[0] |= 1
	return s
}

func passport(t *rapid.T) uint64 { return rapid.Uint64Min(1).Draw(t, "passport") }

// slugs are ascending, each once; not nil, as what is read is not.
func slugs(t *rapid.T, name string, least int) []string {
	out := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9-]{1,32}`), least, 5, rapid.ID[string]).Draw(t, name)
	slices.Sort(out)
	return append([]string{}, out...)
}

func passID(t *rapid.T) (id PassID) {
	copy(id[:], blob(t, "pass", len(id), len(id)))
	id[0] |= 1
	return id
}

func wroteWhy(t *rapid.T) Suspend {
	return Suspend{Passport: passport(t), Why: words(t, "why", 0, 200)}
}

// generators makes bodies of every kind: a kind without one fails the test.
var generators = map[Kind]func(*rapid.T) Body{
	KindBegin: func(t *rapid.T) Body {
		b := &Begin{Charter: key32(t, "charter")}
		if rapid.Bool().Draw(t, "again") {
			b.Generation = rapid.Uint64Min(1).Draw(t, "generation")
			if rapid.Bool().Draw(t, "known") {
				b.Predecessor = &Predecessor{
					Incarnation: Incarnation(blob(t, "incarnation", 8, 8)),
					Size:        rapid.Int64Min(1).Draw(t, "size"), Root: key32(t, "root"),
				}
			}
		}
		return b
	},
	KindDropped: func(t *rapid.T) Body {
		first := rapid.Int64Range(1, 1<<40).Draw(t, "first")
		return &Dropped{First: first, Last: first + rapid.Int64Range(0, 1<<40).Draw(t, "more"), Why: words(t, "why", 1, 200)}
	},
	KindAdmit: func(t *rapid.T) Body {
		b := &Admit{Passport: passport(t), Owner: [20]byte(blob(t, "owner", 20, 20)), Class: slug(t, "class")}
		b.Owner[0] |= 1
		b.NotBefore = rapid.Int64Range(0, 1<<40).Draw(t, "from")
		b.NotAfter = b.NotBefore + rapid.Int64Range(1, 1<<40).Draw(t, "for")
		return b
	},
	KindSuspend:   func(t *rapid.T) Body { b := wroteWhy(t); return &b },
	KindReinstate: func(t *rapid.T) Body { b := Reinstate(wroteWhy(t)); return &b },
	KindExpel:     func(t *rapid.T) Body { b := Expel(wroteWhy(t)); return &b },
	KindDoorKeyAdded: func(t *rapid.T) Body {
		return &DoorKeyAdded{Delegation: blob(t, "delegation", 1, 1024)}
	},
	KindDoorKeyRevoked: func(t *rapid.T) Body {
		return &DoorKeyRevoked{Passport: passport(t), Key: key32(t, "key"), Why: words(t, "why", 0, 200), Wallet: blob(t, "wallet", 0, 1024)}
	},
	KindNodeRegistered: func(t *rapid.T) Body {
		return &NodeRegistered{Node: key32(t, "node"), Slug: slug(t, "slug"), Doors: rapid.Uint32().Draw(t, "doors"), Floor: rapid.Uint32().Draw(t, "floor")}
	},
	KindNodeVouched: func(t *rapid.T) Body {
		return &NodeVouched{Node: key32(t, "node"), Steward: key32(t, "steward"), Signature: sig64(t)}
	},
	KindGatewayEnrolled: func(t *rapid.T) Body {
		b := &GatewayEnrolled{Gateway: slug(t, "gateway")}
		for i, k := range []*[32]byte{&b.Keys.Signing, &b.Keys.Hold, &b.Keys.Witness, &b.Keys.Sealing, &b.Keys.TLS} {
			*k = key32(t, "key")
			k[31] = byte(i)
		}
		return b
	},
	KindGatewayRemoved: func(t *rapid.T) Body {
		return &GatewayRemoved{Gateway: slug(t, "gateway"), Signing: key32(t, "key"), Why: words(t, "why", 0, 200)}
	},
	KindPolicy: func(t *rapid.T) Body {
		return &Policy{Version: rapid.Uint64Min(1).Draw(t, "version"), File: blob(t, "file", 1, 300)}
	},
	KindHome: func(t *rapid.T) Body {
		return &Home{Door: slug(t, "door"), Passport: passport(t), Owner: [20]byte{19: 1 + rapid.Byte().Draw(t, "owner")/2}, Notice: rapid.Uint32Max(MaxNotice).Draw(t, "notice")}
	},
	KindHomeEnded: func(t *rapid.T) Body {
		return &HomeEnded{Door: slug(t, "door"), Passport: passport(t), Ends: rapid.Int64Min(0).Draw(t, "ends"), Why: words(t, "why", 0, 200)}
	},
	KindLockdown: func(t *rapid.T) Body {
		return &Lockdown{Doors: slugs(t, "doors", 0), Ends: rapid.Int64Min(1).Draw(t, "ends"), Why: words(t, "why", 0, 200)}
	},
	KindLockdownLifted: func(t *rapid.T) Body {
		return &LockdownLifted{Doors: slugs(t, "doors", 0), Why: words(t, "why", 0, 200)}
	},
	KindBar: func(t *rapid.T) Body {
		return &Bar{Passport: passport(t), Ends: rapid.Int64Min(0).Draw(t, "ends"), Why: words(t, "why", 0, 200)}
	},
	KindGuestPass: func(t *rapid.T) Body {
		b := &GuestPass{Pass: passID(t), Passport: passport(t), Levels: slugs(t, "levels", 1), Uses: rapid.Uint32().Draw(t, "uses"), Why: words(t, "why", 0, 200)}
		b.NotBefore = rapid.Int64Range(0, 1<<40).Draw(t, "from")
		b.NotAfter = b.NotBefore + rapid.Int64Range(1, 1<<40).Draw(t, "for")
		return b
	},
	KindGuestEnded: func(t *rapid.T) Body { return &GuestEnded{Pass: passID(t), Why: words(t, "why", 0, 200)} },
	KindForgive: func(t *rapid.T) Body {
		return &Forgive{Passport: rapid.Uint64().Draw(t, "passport"), Why: words(t, "why", 0, 200)}
	},
	KindPinSet: func(t *rapid.T) Body {
		b := &PinSet{Passport: passport(t), Boxes: []PinBox{}}
		for i := range rapid.IntRange(0, 4).Draw(t, "gateways") {
			x := PinBox{Gateway: key32(t, "gateway"), Sealed: blob(t, "sealed", 1, MaxPinBox)}
			x.Gateway[0] = byte(i + 1)
			b.Boxes = append(b.Boxes, x)
		}
		return b
	},
	KindGatewayVouched: func(t *rapid.T) Body {
		b := &GatewayVouched{Gateway: key32(t, "gateway"), Reader: [33]byte(blob(t, "reader", 33, 33)), Signature: sig64(t)}
		b.Reader[0] = b.Reader[0]&1 | 2
		return b
	},
	KindDecision: func(t *rapid.T) Body {
		b := &Decision{
			Seq: rapid.Uint64().Draw(t, "seq"), Door: slug(t, "door"), Exit: rapid.Bool().Draw(t, "exit"),
			Mode: words(t, "mode", 1, 16), Granted: rapid.Bool().Draw(t, "granted"), Reason: words(t, "reason", 1, 40),
			Passport: rapid.Uint64().Draw(t, "passport"), Key: []byte{}, Presentation: blob(t, "presentation", 0, 512),
			RosterAge: rapid.Int64Min(-1).Draw(t, "age"), Policy: rapid.Uint64().Draw(t, "policy"),
		}
		if rapid.Bool().Draw(t, "named") {
			b.Key = blob(t, "key", 32, 32)
		}
		return b
	},
	KindPassage: func(t *rapid.T) Body {
		return &Passage{Seq: rapid.Uint64().Draw(t, "seq"), Door: slug(t, "door"), Exit: rapid.Bool().Draw(t, "exit"), Entered: rapid.Bool().Draw(t, "entered")}
	},
	KindDoorState: func(t *rapid.T) Body { return &DoorState{Door: slug(t, "door"), State: words(t, "state", 1, 40)} },
	KindInput: func(t *rapid.T) Body {
		return &Input{Door: slug(t, "door"), Input: words(t, "input", 1, 40), Active: rapid.Bool().Draw(t, "active")}
	},
	KindBoot: func(t *rapid.T) Body {
		b := &Boot{Software: words(t, "software", 1, 100), Policy: rapid.Uint64().Draw(t, "policy"), Clock: words(t, "clock", 1, 16), Kinds: []Kind{}}
		for _, k := range rapid.SliceOfN(rapid.Uint16(), 0, 1000).Draw(t, "kinds") {
			b.Kinds = append(b.Kinds, Kind(k))
		}
		return b
	},
	KindClockStep: func(t *rapid.T) Body {
		return &ClockStep{From: rapid.Int64().Draw(t, "from"), To: rapid.Int64().Draw(t, "to")}
	},
	KindFault: func(t *rapid.T) Body {
		return &Fault{Part: words(t, "part", 1, 100), What: words(t, "what", 0, 400), Cleared: rapid.Bool().Draw(t, "cleared")}
	},
	KindForkSeen: func(t *rapid.T) Body { return &ForkSeen{Evidence: testFork.Marshal()} },
	KindBasis: func(t *rapid.T) Body {
		b := &Basis{Clock: words(t, "clock", 1, 16), Hash: []byte{}, Sources: []Source{}}
		if rapid.Bool().Draw(t, "a policy") {
			b.Policy, b.Hash = rapid.Uint64Min(1).Draw(t, "policy"), blob(t, "hash", 32, 32)
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "sources") {
			o := Origin{Community: key32(t, "community"), Kind: rapid.SampledFrom([]LogKind{CommunityLog, NodeLog}).Draw(t, "log"),
				Author: KeyID(blob(t, "author", 16, 16)), Incarnation: Incarnation(blob(t, "incarnation", 8, 8))}
			o.Community[0] = byte(i)
			b.Sources = append(b.Sources, Source{Origin: o.String(), Size: rapid.Int64Min(0).Draw(t, "size")})
		}
		return b
	},
	KindPassUsed: func(t *rapid.T) Body { return &PassUsed{Pass: passID(t), Seq: rapid.Uint64().Draw(t, "seq")} },
	KindForgiven: func(t *rapid.T) Body {
		return &Forgiven{Passport: rapid.Uint64().Draw(t, "passport"), Before: rapid.Int64().Draw(t, "before")}
	},
	KindOpening: func(t *rapid.T) Body { return &Opening{Seq: rapid.Uint64().Draw(t, "seq"), Door: slug(t, "door")} },
	KindLine: func(t *rapid.T) Body {
		b := &Line{Input: words(t, "input", 1, 40), State: words(t, "state", 1, 16)}
		if rapid.Bool().Draw(t, "of a door") {
			b.Door = slug(t, "door")
		}
		return b
	},
	KindSnapshot: func(t *rapid.T) Body {
		b := &Snapshot{State: key32(t, "state")}
		for range rapid.IntRange(1, 20).Draw(t, "runs") {
			for range 2 {
				n := rapid.Uint64Range(1, 1<<rapid.IntRange(0, 40).Draw(t, "bits")).Draw(t, "number")
				b.Size += int64(n)
				b.Superseded = binary.AppendUvarint(b.Superseded, n)
			}
		}
		b.Size += rapid.Int64Range(0, 1<<40).Draw(t, "more")
		return b
	},
	KindOpen: func(t *rapid.T) Body { return &Open{Door: slug(t, "door"), Why: words(t, "why", 0, 200)} },
	KindSiblings: func(t *rapid.T) Body {
		b := &Siblings{Heard: []Source{}, Missing: slugs(t, "missing", 0)}
		for i := range rapid.IntRange(0, 4).Draw(t, "heard") {
			o := Origin{Community: key32(t, "community"), Kind: DoorLog, Author: KeyID(blob(t, "author", 16, 16))}
			o.Community[0] = byte(i)
			b.Heard = append(b.Heard, Source{Origin: o.String(), Size: rapid.Int64Min(0).Draw(t, "size")})
		}
		return b
	},
	KindOrdered: func(t *rapid.T) Body {
		o := Origin{Community: key32(t, "community"), Kind: NodeLog, Author: KeyID(blob(t, "author", 16, 16))}
		return &Ordered{Origin: o.String(), Index: rapid.Int64Min(1).Draw(t, "index"), Seq: rapid.Uint64().Draw(t, "seq"), Door: slug(t, "door")}
	},
	KindPolicyTried: func(t *rapid.T) Body {
		return &PolicyTried{Version: rapid.Uint64Min(1).Draw(t, "version"), Hash: key32(t, "hash"), OK: rapid.Bool().Draw(t, "ok"), Why: words(t, "why", 0, 400)}
	},
	KindExpired: func(t *rapid.T) Body {
		return &Expired{Incarnation: Incarnation(blob(t, "incarnation", 8, 8)), Before: rapid.Int64Min(2).Draw(t, "before"), Why: words(t, "why", 1, 200)}
	},
	KindDirectoryKeys: func(t *rapid.T) Body {
		b := &DirectoryKeys{Gateway: slug(t, "gateway")}
		for i, k := range []*[32]byte{&b.Keys.Signing, &b.Keys.Hold, &b.Keys.Witness, &b.Keys.Sealing, &b.Keys.TLS} {
			*k = key32(t, "key")
			k[31] = byte(i)
		}
		return b
	},
	KindDirectoryGone: func(t *rapid.T) Body {
		return &DirectoryGone{Gateway: slug(t, "gateway"), Signing: key32(t, "key")}
	},
	KindEpochOpened: func(t *rapid.T) Body {
		b := &EpochOpened{
			Number: rapid.Uint64Min(1).Draw(t, "number"), Opens: rapid.Int64Range(0, 1<<36).Draw(t, "opens"),
			Key: key32(t, "key"), Evaluator: key32(t, "evaluator"), Offer: sig64(t), Beacon: words(t, "beacon", 1, 200),
			Sample: rapid.Uint32Min(1).Draw(t, "sample"), Quota: rapid.Uint32Min(1).Draw(t, "quota"), Auditors: []Auditor{},
		}
		b.Closes = b.Opens + rapid.Int64Range(1, 1<<36).Draw(t, "for")
		b.Audit = b.Closes + rapid.Int64Range(1, 1<<36).Draw(t, "audited")
		for i := range rapid.IntRange(0, 4).Draw(t, "auditors") {
			a := Auditor{Name: words(t, "name", 1, 100), Sealing: key32(t, "sealing")}
			a.Sealing[0] = byte(i + 1)
			b.Auditors = append(b.Auditors, a)
		}
		return b
	},
	KindFiguresSigned: func(t *rapid.T) Body {
		b := &FiguresSigned{Epoch: key32(t, "epoch"), Figures: []Figure{}}
		for _, name := range slugs(t, "names", 1) {
			b.Figures = append(b.Figures, Figure{
				Name: name, Unit: words(t, "unit", 1, 40), Amount: rapid.Int64().Draw(t, "amount"), People: rapid.Uint32Min(Withheld).Draw(t, "people"),
			})
		}
		return b
	},
	KindAttendance: func(t *rapid.T) Body {
		b := &Attendance{
			Epoch: key32(t, "epoch"), Passport: passport(t), Window: rapid.Bool().Draw(t, "window"), Key: [33]byte(blob(t, "key", 33, 33)),
			KeyKind: rapid.Uint8Min(1).Draw(t, "kind"), Place: key32(t, "place"), Time: key32(t, "time"), Signature: sig64(t), Seen: key32(t, "seen"),
		}
		b.Key[0] = b.Key[0]&1 | 2
		return b
	},
	KindOccupancy: func(t *rapid.T) Body {
		b := &Occupancy{Zone: slug(t, "zone"), Sure: rapid.Uint32().Draw(t, "sure"), Age: rapid.Uint32().Draw(t, "age")}
		b.Most = rapid.Uint32Min(b.Sure).Draw(t, "most")
		return b
	},
	KindCensusTags: func(t *rapid.T) Body {
		b := &CensusTags{Epoch: key32(t, "epoch"), Part: rapid.Uint32().Draw(t, "part")}
		for i := range rapid.IntRange(1, 6).Draw(t, "tags") {
			tag := blob(t, "tag", TagSize, TagSize)
			binary.BigEndian.PutUint16(tag, uint16(i))
			b.Tags = append(b.Tags, tag...)
		}
		return b
	},
	KindReported: func(t *rapid.T) Body {
		o := Origin{Community: key32(t, "community"), Kind: DoorLog, Author: KeyID(blob(t, "author", 16, 16)), Incarnation: Incarnation(blob(t, "incarnation", 8, 8))}
		b := &Reported{Epoch: key32(t, "epoch"), Node: key32(t, "node"), Parts: rapid.Uint32().Draw(t, "parts"), Root: key32(t, "root"),
			Log: Source{Origin: o.String(), Size: rapid.Int64Min(1).Draw(t, "size")}, Head: key32(t, "head")}
		b.Count = rapid.Uint64Range(uint64(b.Parts), uint64(b.Parts)*MaxTags).Draw(t, "count")
		return b
	},
	KindOpened: func(t *rapid.T) Body {
		return &Opened{Epoch: key32(t, "epoch"), Draw: key32(t, "draw"), Tag: key32(t, "tag"), Auditor: key32(t, "auditor"), Sealed: blob(t, "sealed", 1, 300)}
	},
	KindEpochClosed: func(t *rapid.T) Body {
		b := &EpochClosed{
			Epoch: key32(t, "epoch"), Withheld: rapid.Bool().Draw(t, "withheld"), Root: key32(t, "root"), Rules: rapid.UintMin(1).Draw(t, "rules"),
			Reports: rapid.Uint32().Draw(t, "reports"), Covers: key32(t, "covers"),
			Nodes: rapid.Uint32().Draw(t, "nodes"), Doors: rapid.Uint32().Draw(t, "doors"), Floor: rapid.Uint64().Draw(t, "floor"),
		}
		if !b.Withheld {
			b.Size, b.Reports = rapid.Uint64Min(Withheld).Draw(t, "size"), max(1, b.Reports)
		}
		return b
	},
	KindDraw: func(t *rapid.T) Body {
		return &Draw{Epoch: key32(t, "epoch"), Root: key32(t, "root"), Size: rapid.Uint64Min(Withheld).Draw(t, "size"), Seed: key32(t, "seed"), Source: words(t, "source", 1, 200)}
	},
}
