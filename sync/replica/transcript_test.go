package replica

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// The transcripts in testdata are stories: a line is an event, and the indented
// lines below it are the actions that follow. With -update they are written
// anew: read the difference before it is committed.
//
//	holds LEDGER SIZE             at the start: so much is stored
//	start [observer]              the replica is gw1; links lan (all, node) and wan (all)
//	up LINK, down LINK            a link
//	here PEER LINK, gone PEER LINK
//	head PEER LINK LEDGER SIZE [FROM]      an announcement, with the entries from FROM on
//	give PEER LINK LEDGER FROM TO SIZE     entries FROM to TO-1 against the head at SIZE
//	want PEER LINK LEDGER FROM [LEDGER SIZE]   with the head that is in doubt
//	held PEER LINK LEDGER SIZE    an acknowledgement
//	append LEDGER SIZE            the host stored so much by other ways
//	store                         the store carries out what it was handed
//	proof PEER LINK LEDGER SIZE LEDGER SIZE, convicted LEDGER SIZE LEDGER SIZE
//	wait DURATION
//
// A ledger is AUTHOR/KIND; AUTHOR/KIND' is another history of it from entry 8 on.
var update = flag.Bool("update", false, "write the transcripts anew")

const transcriptSize = 40

type transcript struct {
	t     *testing.T
	h     *host
	start Started
	logs  map[string]*history
}

func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d transcripts: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			x := &transcript{t: t, logs: map[string]*history{}, start: Started{Rights: testRights()}}
			var out strings.Builder
			for _, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
				if strings.HasPrefix(line, "\t") {
					continue
				}
				out.WriteString(line + "\n")
				if line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				for _, a := range x.event(strings.Fields(line)) {
					out.WriteString("\t" + sentence(a) + "\n")
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if out.String() != string(b) {
				t.Errorf("%s is now (go test -run TestTranscripts -update writes it):\n%s", file, out.String())
			}
		})
	}
}

func (x *transcript) log(name string) *history {
	if l := x.logs[name]; l != nil {
		return l
	}
	author, kind, ok := strings.Cut(strings.TrimSuffix(name, "'"), "/")
	if !ok {
		x.t.Fatalf("no ledger: %s", name)
	}
	l := newHistory(x.t, author, ledger.LogKind(kind), 1)
	if strings.HasSuffix(name, "'") {
		l = x.log(strings.TrimSuffix(name, "'")).fork(8)
	}
	x.logs[name] = l.fill(transcriptSize)
	return l
}

func (x *transcript) number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		x.t.Fatal(err)
	}
	return n
}

func linkNamed(name string) LinkID {
	if name == "lan" {
		return lan
	}
	return wan
}

func (x *transcript) event(f []string) []Action {
	n := func(i int) int64 { return x.number(f[i]) }
	switch f[0] {
	case "holds":
		x.start.Ledgers = append(x.start.Ledgers, x.log(f[1]).at(n(2)))
		return nil
	case "start":
		x.h = newHost(x.t, Config{Observer: len(f) > 1}, x.start)
		return nil
	case "up":
		scopes := []Scope{All}
		if f[1] == "lan" {
			scopes = append(scopes, Node)
		}
		return x.h.step(LinkUp{linkNamed(f[1]), scopes})
	case "down":
		return x.h.step(LinkDown{linkNamed(f[1])})
	case "here":
		return x.h.step(PeerUp{linkNamed(f[2]), testPeer(f[1])})
	case "gone":
		return x.h.step(PeerDown{linkNamed(f[2]), testPeer(f[1])})
	case "append":
		return x.h.step(Stored{x.log(f[1]).at(n(2))})
	case "store":
		return x.h.store()
	case "wait":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			x.t.Fatal(err)
		}
		return x.h.wait(d)
	case "convicted":
		return x.h.step(Convicted{x.log(f[1]).forkOf(x.log(f[3]), n(2), n(4))})
	}
	l := x.log(f[3])
	var m Message
	switch f[0] {
	case "head":
		from := n(4)
		if len(f) > 5 {
			from = n(5)
		}
		m = l.head(n(4), from)
	case "give":
		m = l.give(n(4), n(5), n(6))
	case "want":
		w := Want{Origin: l.origin, From: n(4)}
		if len(f) > 5 {
			w.Note = x.log(f[5]).note(n(6), 0)
		}
		m = w
	case "held":
		m = l.held(f[1], n(4), false)
	case "proof":
		m = Proof{l.forkOf(x.log(f[5]), n(4), n(6)).Marshal()}
	default:
		x.t.Fatalf("no such event: %v", f)
	}
	return x.h.hearOn(linkNamed(f[2]), f[1], m)
}

func nameOf(p Peer) string {
	if a, ok := testRights().Authors[p]; ok {
		return a.Name
	}
	return p.String()
}

func ledgerName(o ledger.Origin) string { return nameOf(o.Author) + "/" + string(o.Kind) }

func linkName(l LinkID) string {
	switch l {
	case lan:
		return "lan"
	case wan:
		return "wan"
	}
	return fmt.Sprint("link ", l)
}

// sentence is an action in words.
func sentence(a Action) string {
	switch a := a.(type) {
	case Send:
		to := "everybody"
		if a.To != (Peer{}) {
			to = nameOf(a.To)
		}
		switch m := a.Message.(type) {
		case Want:
			doubt := ""
			if h, ok := peek(m.Note); ok {
				doubt = fmt.Sprintf(", doubting with the head at %d", h.Size)
			}
			return fmt.Sprintf("%s %v: ask %s for %s from %d%s", linkName(a.Link), a.Scope, to, ledgerName(m.Origin), m.From, doubt)
		case Proof:
			return fmt.Sprintf("%s %v: tell %s of a fork", linkName(a.Link), a.Scope, to)
		case Charter:
			return fmt.Sprintf("%s %v: tell %s a charter", linkName(a.Link), a.Scope, to)
		}
	case SendHead:
		return fmt.Sprintf("%s %v: announce %s, tail from %d", linkName(a.Link), a.Scope, ledgerName(a.Origin), a.TailFrom)
	case SendGive:
		return fmt.Sprintf("%s %v: give %s %s from %d", linkName(a.Link), a.Scope, nameOf(a.To), ledgerName(a.Origin), a.From)
	case SendHeld:
		witness := ""
		if a.Witness {
			witness = " and witness"
		}
		return fmt.Sprintf("%s %v: acknowledge%s %s", linkName(a.Link), a.Scope, witness, ledgerName(a.Head.Origin))
	case Store:
		return fmt.Sprintf("store %s: %d to %d of %d, from %s", ledgerName(a.Extension.Head().Origin),
			a.Extension.Before().Size(), a.Extension.Tree().Size(), a.Extension.Head().Size, nameOf(a.Giver))
	case Forget:
		return "forget the part of " + ledgerName(a.Origin)
	case StoreCharter:
		return "store a charter"
	case StoreFork:
		h, _, _ := a.Fork.Heads()
		return "store the fork of " + ledgerName(h.Origin)
	case StoreHeld:
		return fmt.Sprintf("note that %s holds %s to %d", nameOf(a.Peer), ledgerName(a.Head.Origin), a.Head.Size)
	case Compare:
		return fmt.Sprintf("compare the head of %s at %d", ledgerName(a.Head.Origin), a.Head.Size)
	case Blame:
		return fmt.Sprintf("blame %s for %s: %v", nameOf(a.Peer), ledgerName(a.Origin), a.Err)
	}
	return fmt.Sprintf("%T", a)
}
