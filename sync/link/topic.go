package link

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// ErrTopic marks a topic that is none of the table in the package doc.
var ErrTopic = errors.New("not a topic of this protocol")

const (
	topicRoot = "tombolo/v1/"
	maxTopic  = 320 // bytes; the longest of the table has less
)

// topic is a parsed topic. What a field says beyond sender and addressee only
// keeps retained messages apart; the message itself is what counts.
type topic struct {
	Community ledger.CharterID
	Place     place
	Sender    replica.Peer
	Type      Type          // TypeBirth stands for alive, TypeWant for all that goes to one peer
	Origin    ledger.Origin // of head, held and fork
	Chain     ledger.CharterID
	Version   uint64       // of a charter, from 1
	To        replica.Peer // of want and give
}

// place is where on the topics a scope stands; of the scope Node it names which.
type place struct {
	Scope replica.Scope
	Node  ledger.CharterID // zero in the other scopes
}

func (p place) String() string {
	if p.Scope == replica.Node {
		return p.Node.String()
	}
	return p.Scope.String()
}

// base is what every topic of a community and place begins with.
func base(community ledger.CharterID, p place) string {
	return topicRoot + community.String() + "/" + p.String() + "/"
}

func (t topic) String() string {
	from := base(t.Community, t.Place) + "from/" + t.Sender.String()
	o := t.Origin
	switch t.Type {
	case TypeBirth, TypeGone:
		return from + "/alive"
	case TypeHead:
		return from + "/head/" + string(o.Kind) + "/" + o.Author.String() + "/" + o.Incarnation.String()
	case TypeHeld:
		return from + "/held/" + o.Author.String() + "/" + string(o.Kind) + "/" + o.Incarnation.String()
	case TypeProof:
		return from + "/fork/" + string(o.Kind) + "/" + o.Author.String() + "/" + o.Incarnation.String()
	case TypeCharter:
		return from + "/charter/" + t.Chain.String() + "/" + strconv.FormatUint(t.Version, 10)
	}
	return base(t.Community, t.Place) + "to/" + t.To.String() + "/" + t.Sender.String()
}

// parseTopic reads a topic strictly. Its errors wrap ErrTopic.
func parseTopic(s string) (topic, error) {
	var t topic
	if len(s) > maxTopic {
		return t, fmt.Errorf("%w: %d characters", ErrTopic, len(s))
	}
	rest, ok := strings.CutPrefix(s, topicRoot)
	if !ok {
		return t, fmt.Errorf("%w: %q does not begin with %s", ErrTopic, s, topicRoot)
	}
	f := strings.Split(rest, "/")
	if len(f) < 5 {
		return t, fmt.Errorf("%w: %q has too few levels", ErrTopic, s)
	}
	p := levels{}
	p.hex(t.Community[:], f[0], "community")
	switch f[1] {
	case replica.All.String():
	case replica.Hub.String():
		t.Place.Scope = replica.Hub
	default:
		t.Place.Scope = replica.Node
		p.hex(t.Place.Node[:], f[1], "place")
		p.check(p.err != nil || !t.Place.Node.IsZero(), "place", f[1])
	}
	direction, f := f[2], f[3:]
	switch direction {
	case "to":
		t.Type = TypeWant
		p.hex(t.To[:], f[0], "addressee")
		p.hex(t.Sender[:], f[1], "sender")
		p.end(f[2:])
	case "from":
		p.hex(t.Sender[:], f[0], "sender")
		t.from(&p, f[1], f[2:])
	default:
		p.check(false, "direction", direction)
	}
	if p.err != nil {
		return topic{}, p.err
	}
	return t, nil
}

// from reads what follows from/<peer>/.
func (t *topic) from(p *levels, what string, f []string) {
	wide := map[string]int{"alive": 0, "head": 3, "held": 3, "fork": 3, "charter": 2}
	n, known := wide[what]
	p.check(known, "message", what)
	if p.check(len(f) == n, "levels behind "+what, strings.Join(f, "/")); p.err != nil {
		return
	}
	ofLedger := func(typ Type, kind, author, incarnation string) {
		t.Type = typ
		t.Origin.Community, t.Origin.Kind = t.Community, ledger.LogKind(kind)
		p.hex(t.Origin.Author[:], author, "author")
		p.hex(t.Origin.Incarnation[:], incarnation, "incarnation")
		if p.err == nil {
			_, err := ledger.ParseOrigin(t.Origin.String()) // knows the kinds
			p.check(err == nil, "kind of ledger", kind)
		}
	}
	switch what {
	case "alive":
		t.Type = TypeBirth
	case "head":
		ofLedger(TypeHead, f[0], f[1], f[2])
	case "held":
		ofLedger(TypeHeld, f[1], f[0], f[2])
	case "fork":
		ofLedger(TypeProof, f[0], f[1], f[2])
	case "charter":
		t.Type = TypeCharter
		p.hex(t.Chain[:], f[0], "chain")
		v, err := strconv.ParseUint(f[1], 10, 32)
		t.Version = v
		p.check(err == nil && v > 0 && strconv.FormatUint(v, 10) == f[1], "version", f[1])
	}
}

// levels collects the first thing that is wrong with a topic's levels.
type levels struct{ err error }

func (p *levels) check(ok bool, what, s string) {
	if p.err == nil && !ok {
		p.err = fmt.Errorf("%w: %s %q", ErrTopic, what, s)
	}
}

func (p *levels) hex(dst []byte, s, what string) {
	if p.err != nil {
		return
	}
	ok := len(s) == 2*len(dst) && strings.ToLower(s) == s
	if ok {
		_, err := hex.Decode(dst, []byte(s))
		ok = err == nil
	}
	p.check(ok, what, s)
}

func (p *levels) end(f []string) {
	p.check(len(f) == 0, "levels behind the sender", strings.Join(f, "/"))
}

// filters are the subscriptions of a participant, disjoint.
func (cfg Config) filters() []string {
	var all []string
	for _, scope := range cfg.Scopes {
		b := base(cfg.Community, cfg.place(scope))
		held := b + "from/+/held/" + cfg.Self.String() + "/#"
		if cfg.Observer && (scope != replica.Hub || cfg.Server) {
			held = b + "from/+/held/#"
		}
		all = append(all, b+"to/"+cfg.Self.String()+"/+", held)
		if scope != replica.All || cfg.Observer {
			all = append(all, b+"from/+/alive")
		}
		switch {
		case scope != replica.Hub:
			all = append(all, b+"from/+/head/#", b+"from/+/fork/#", b+"from/+/charter/#")
		case cfg.Server:
			all = append(all, b+"from/+/head/#", b+"from/+/fork/#")
		}
	}
	return all
}

// place is where a scope's topics stand.
func (cfg Config) place(s replica.Scope) place {
	if s == replica.Node {
		return place{s, cfg.Node}
	}
	return place{Scope: s}
}

// scope is the inverse of place, for the scopes that the link carries.
func (cfg Config) scope(p place) (replica.Scope, bool) {
	return p.Scope, slices.Contains(cfg.Scopes, p.Scope) && cfg.place(p.Scope) == p
}

// alive is the topic of this participant's births and will.
func (cfg Config) alive() topic {
	scope := cfg.Scopes[0]
	switch {
	case slices.Contains(cfg.Scopes, replica.Node):
		scope = replica.Node
	case cfg.Server && slices.Contains(cfg.Scopes, replica.Hub):
		scope = replica.Hub
	}
	return topic{Community: cfg.Community, Place: cfg.place(scope), Sender: cfg.Self, Type: TypeBirth}
}
