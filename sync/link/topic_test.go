package link

import (
	"errors"
	"strings"
	"testing"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

func sampleTopics() []topic {
	o := newLog("a gateway", ledger.DoorLog).origin
	me, other := peerOf("a gateway"), peerOf("a desk")
	return []topic{
		{Community: testCommunity, Sender: me, Type: TypeBirth},
		{Community: testCommunity, Place: inNode, Sender: me, Type: TypeBirth},
		{Community: testCommunity, Place: place{Scope: replica.Hub}, Sender: other, Type: TypeBirth},
		{Community: testCommunity, Place: place{Scope: replica.Hub}, Sender: me, Type: TypeHead, Origin: newLog("a gateway", ledger.ReportLog).origin},
		{Community: testCommunity, Place: place{Scope: replica.Hub}, Sender: other, Type: TypeWant, To: me},
		{Community: testCommunity, Place: inNode, Sender: me, Type: TypeHead, Origin: o},
		{Community: testCommunity, Place: inNode, Sender: other, Type: TypeHeld, Origin: o},
		{Community: testCommunity, Sender: other, Type: TypeProof, Origin: o},
		{Community: testCommunity, Sender: other, Type: TypeCharter, Chain: testNode, Version: 12},
		{Community: testCommunity, Sender: other, Type: TypeWant, To: me},
	}
}

func TestTopicsSurvive(t *testing.T) {
	t.Parallel()
	longest := 0
	for _, want := range sampleTopics() {
		got, err := parseTopic(want.String())
		if err != nil || got != want {
			t.Errorf("%v became %+v, %v", want, got, err)
		}
		longest = max(longest, len(want.String()))
	}
	if longest+16 > maxTopic {
		t.Errorf("a topic of %d bytes, the bound is %d", longest, maxTopic)
	}
	// As the package doc has them, for whoever writes a broker's permissions.
	c, p := strings.Repeat("c1", 32), strings.Repeat("a1", 16)
	for topic, typ := range map[string]Type{
		"tombolo/v1/" + c + "/all/from/" + p + "/alive":                                                             TypeBirth,
		"tombolo/v1/" + c + "/all/from/" + p + "/head/community/" + p + "/0102030405060708":                         TypeHead,
		"tombolo/v1/" + c + "/" + strings.Repeat("d1", 32) + "/from/" + p + "/held/" + p + "/door/0102030405060708": TypeHeld,
		"tombolo/v1/" + c + "/" + strings.Repeat("d1", 32) + "/from/" + p + "/fork/node/" + p + "/0102030405060708": TypeProof,
		"tombolo/v1/" + c + "/all/from/" + p + "/charter/" + strings.Repeat("d1", 32) + "/1":                        TypeCharter,
		"tombolo/v1/" + c + "/" + strings.Repeat("d1", 32) + "/to/" + p + "/" + strings.Repeat("b1", 16):            TypeWant,
		"tombolo/v1/" + c + "/hub/from/" + p + "/head/report/" + p + "/0102030405060708":                            TypeHead,
		"tombolo/v1/" + c + "/hub/from/" + p + "/held/" + p + "/report/0102030405060708":                            TypeHeld,
		"tombolo/v1/" + c + "/hub/to/" + p + "/" + strings.Repeat("b1", 16):                                         TypeWant,
	} {
		if got, err := parseTopic(topic); err != nil || got.Type != typ {
			t.Errorf("%s: %v, %v", topic, got.Type, err)
		}
	}
}

func TestMalformedTopics(t *testing.T) {
	t.Parallel()
	b := base(testCommunity, place{})
	p := peerOf("a gateway").String()
	log := "/" + p + "/0102030405060708"
	for name, s := range map[string]string{
		"empty":                   "",
		"another root":            "tombola/v1/" + b[11:] + "from/" + p + "/alive",
		"another version":         strings.Replace(b, "v1", "v2", 1) + "from/" + p + "/alive",
		"too long":                b + "from/" + p + "/head/" + strings.Repeat("x", maxTopic),
		"no sender":               b + "from",
		"no levels":               "tombolo/v1/////",
		"a short community":       "tombolo/v1/abcd/all/from/" + p + "/alive",
		"a community in capitals": strings.ToUpper(b[:75])[11:] + "/all/from/" + p + "/alive",
		"a place in capitals":     strings.Replace(b, "/all/", "/HUB/", 1) + "from/" + p + "/alive",
		"no place":                strings.Replace(b, "/all/", "/some/", 1) + "from/" + p + "/alive",
		"a place of zeros":        base(testCommunity, place{replica.Node, ledger.CharterID{1}})[:76] + strings.Repeat("0", 64) + "/from/" + p + "/alive",
		"another direction":       b + "via/" + p + "/alive",
		"a sender by name":        b + "from/gw1/alive",
		"a sender in capitals":    b + "from/" + strings.ToUpper(p) + "/alive",
		"a wildcard":              b + "from/+/alive",
		"no such message":         b + "from/" + p + "/open",
		"alive and more":          b + "from/" + p + "/alive/now",
		"a head of nothing":       b + "from/" + p + "/head",
		"a head of a kind alone":  b + "from/" + p + "/head/door",
		"a head and more":         b + "from/" + p + "/head/door" + log + "/1",
		"an unknown ledger":       b + "from/" + p + "/head/diary" + log,
		"a short incarnation":     b + "from/" + p + "/head/door/" + p + "/0102",
		"held in a head's order":  b + "from/" + p + "/held/door" + log,
		"a fork by nobody":        b + "from/" + p + "/fork/door//0102030405060708",
		"a charter without chain": b + "from/" + p + "/charter/1",
		"charter 0":               b + "from/" + p + "/charter/" + testNode.String() + "/0",
		"charter 01":              b + "from/" + p + "/charter/" + testNode.String() + "/01",
		"charter +1":              b + "from/" + p + "/charter/" + testNode.String() + "/+1",
		"a charter of billions":   b + "from/" + p + "/charter/" + testNode.String() + "/4294967296",
		"to nobody":               b + "to//" + p,
		"to a name":               b + "to/gw1/" + p,
		"from a name":             b + "to/" + p + "/gw1",
		"to and more":             b + "to/" + p + "/" + p + "/1",
	} {
		if got, err := parseTopic(s); !errors.Is(err, ErrTopic) || got != (topic{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	for _, t := range sampleTopics() {
		f.Add(t.String())
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := parseTopic(s); err == nil && got.String() != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}

// matches is MQTT's rule for filters (3.1.1 §4.7).
func matches(filter, topic string) bool {
	f, s := strings.Split(filter, "/"), strings.Split(topic, "/")
	for i, level := range f {
		if level == "#" {
			return true
		}
		if i >= len(s) || level != "+" && level != s[i] {
			return false
		}
	}
	return len(f) == len(s)
}

// TestFilters holds that of what a participant should hear exactly one filter
// delivers it, and none delivers the rest.
func TestFilters(t *testing.T) {
	t.Parallel()
	cfg := config("a gateway", "tcp://127.0.0.1")
	desk := cfg
	desk.Self, desk.Observer, desk.Scopes = peerOf("a desk"), true, []replica.Scope{replica.All, replica.Hub}
	cfg.Scopes = append(cfg.Scopes, replica.Hub)
	server := desk
	server.Self, server.Server = peerOf("a hub"), true
	inReport := newLog("another gateway", ledger.ReportLog).origin
	ofMine := newLog("a gateway", ledger.ReportLog).origin
	inDoorLog := newLog("a gateway", ledger.DoorLog).origin
	inRoster := newLog("an issuer", ledger.CommunityLog).origin
	me, other := cfg.Self, peerOf("another gateway")
	all, node, hub := place{}, inNode, place{Scope: replica.Hub}
	for name, c := range map[string]struct {
		topic              topic
		gateway, desk, hub int
	}{
		"alive":                 {topic{Community: testCommunity, Sender: other, Type: TypeBirth}, 0, 1, 1}, // of a thousand gateways none hears the others
		"alive in the node":     {topic{Community: testCommunity, Place: node, Sender: other, Type: TypeBirth}, 1, 0, 0},
		"alive in another node": {topic{Community: testCommunity, Place: place{replica.Node, testCommunity}, Sender: other, Type: TypeBirth}, 0, 0, 0},
		"another community":     {topic{Community: testNode, Sender: other, Type: TypeBirth}, 0, 0, 0},
		"a head":                {topic{Community: testCommunity, Place: all, Sender: other, Type: TypeHead, Origin: inRoster}, 1, 1, 1},
		"a door log's head":     {topic{Community: testCommunity, Place: node, Sender: other, Type: TypeHead, Origin: inDoorLog}, 1, 0, 0},
		"a fork":                {topic{Community: testCommunity, Place: all, Sender: other, Type: TypeProof, Origin: inRoster}, 1, 1, 1},
		"a charter":             {topic{Community: testCommunity, Place: all, Sender: other, Type: TypeCharter, Chain: testNode, Version: 1}, 1, 1, 1},
		"held of mine":          {topic{Community: testCommunity, Place: node, Sender: other, Type: TypeHeld, Origin: inDoorLog}, 1, 0, 0},
		"held of another":       {topic{Community: testCommunity, Place: all, Sender: other, Type: TypeHeld, Origin: inRoster}, 0, 1, 1},
		"to me":                 {topic{Community: testCommunity, Place: node, Sender: other, Type: TypeWant, To: me}, 1, 0, 0},
		"to the desk":           {topic{Community: testCommunity, Place: all, Sender: other, Type: TypeWant, To: desk.Self}, 0, 1, 0},
		"the hub is alive":      {topic{Community: testCommunity, Place: hub, Sender: server.Self, Type: TypeBirth}, 1, 1, 1},
		"another's report":      {topic{Community: testCommunity, Place: hub, Sender: other, Type: TypeHead, Origin: inReport}, 0, 0, 1},
		"another's fork":        {topic{Community: testCommunity, Place: hub, Sender: other, Type: TypeProof, Origin: inReport}, 0, 0, 1},
		"my report is held":     {topic{Community: testCommunity, Place: hub, Sender: server.Self, Type: TypeHeld, Origin: ofMine}, 1, 0, 1},
		"another's is held":     {topic{Community: testCommunity, Place: hub, Sender: server.Self, Type: TypeHeld, Origin: inReport}, 0, 0, 1},
		"an answer to me":       {topic{Community: testCommunity, Place: hub, Sender: server.Self, Type: TypeWant, To: me}, 1, 0, 0},
		"an ask to the hub":     {topic{Community: testCommunity, Place: hub, Sender: other, Type: TypeWant, To: server.Self}, 0, 0, 1},
	} {
		for who, want := range map[*Config]int{&cfg: c.gateway, &desk: c.desk, &server: c.hub} {
			got := 0
			for _, f := range who.filters() {
				if matches(f, c.topic.String()) {
					got++
				}
			}
			if got != want {
				t.Errorf("%s: delivered %d times to %s, observer %t, server %t; want %d", name, got, who.Self, who.Observer, who.Server, want)
			}
		}
	}
}
