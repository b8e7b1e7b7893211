package main

import (
	"encoding/json"
	"strings"
	"testing"

	"tombolo/hw/sim"
)

// TestHwTest: somebody walks through a door where all is well.
func TestHwTest(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront+hwTamper+hwReader)
	s.start("test")
	s.errs.after(t, "relay: the lock lets go for a second, and holds again")
	s.answers("Did it?", "well")
	s.answers("Did it?", "Y") // asked again
	s.errs.after(t, "contact: please open the door")
	s.input("front/contact", true)
	s.errs.after(t, "contact: please close it again")
	s.input("front/contact", false)
	s.errs.after(t, "rex: please press the exit button")
	s.input("front/rex", true)
	s.errs.after(t, "rex: please let go of it")
	s.input("front/rex", false)
	s.errs.after(t, "tamper: please open the reader's case")
	s.reading(5, tamperOpen)
	s.errs.after(t, "tamper: please close it again")
	s.reading(5, tamperClosed)
	s.answers("Did it show two different lights, or sounds?", "y")
	s.errs.after(t, "reader/1: please hold a door key's card to it")
	s.card(sim.Mount{Door: "front"}, 0)
	s.answers("Has it a keypad?", "yes")
	s.errs.after(t, "reader/1/keypad: please press a key")
	s.press('5')
	s.ends(0)
	out := squeeze(s.out.String())
	s.wants(out, "|PART RESULT SEEN EXPECTED|", "|front/relay ok yes, says who stood there the lock lets go",
		"|front/contact ok closed closed to begin with|", "|front/contact ok open, after ", "|front/rex ok pressed, after ", "|front/tamper ok closed, after ",
		"|front/reader/1/light ok yes,", "|front/reader/1 ok a HaLo chip, key ", "|front/reader/1/keypad ok key 5 a key is read|")
	if n := strings.Count(out, "\n"); n != 14 || strings.Contains(out, "FAIL") {
		t.Errorf("%d lines:\n%s", n, out)
	}
}

// TestHwTestFails: what is wrong is named, one by one.
func TestHwTestFails(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront+hwTamper)
	s.start("test", "--wait", "200ms", "--door", "front")
	s.answers("Did it?", "no")
	s.errs.after(t, "contact: please open the door") // nobody does
	s.errs.after(t, "rex: please press the exit button")
	s.input("front/rex", true)
	s.errs.after(t, "rex: please let go of it")
	s.errs.after(t, "tamper: please open") // the button is stuck
	s.reading(5, tamperShort)
	s.ends(1)
	out := squeeze(s.out.String())
	s.wants(out, "|front/relay FAIL no, says who stood there the lock lets go", "|front/contact ok closed closed to begin with|", "|front/contact FAIL nothing within 200ms open|",
		"|front/rex FAIL nothing within 200ms not pressed|", "|front/tamper FAIL its cable is shorted, after ")
	s.wants(s.errs.String(), "FAIL  front/relay: no, says", "the door does not do what it should: 4 of 8 failed")
}

// TestHwTestWrongWay: an input that is the other way round, by who stands there.
func TestHwTestWrongWay(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront)
	s.start("test", "--wait", "5s")
	s.errs.after(t, "relay:")
	s.input("front/contact", true)
	s.input("front/rex", true)
	s.answers("Did it?", "y")
	s.errs.after(t, "contact: it reads as open")
	s.answers("Is that so?", "n")
	s.errs.after(t, "rex: it reads as pressed")
	s.answers("Is that so?", "y")
	s.errs.after(t, "rex: please let go of the exit button")
	s.input("front/rex", false)
	s.errs.after(t, "rex: please press the exit button")
	s.input("front/rex", true)
	s.errs.after(t, "rex: please let go of it")
	s.input("front/rex", false)
	s.ends(1)
	s.wants(squeeze(s.out.String()), "|front/contact FAIL open; it is wired the other way round: change its active_low closed to begin with|", "|front/rex ok not pressed, after ")
	s.wants(s.errs.String(), "1 of 5 failed")
}

// TestHwTestAlone: nobody is asked, and a program reads it.
func TestHwTestAlone(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+strings.Replace(hwFront, "fail-secure", "fail-safe", 1)+hwTamper)
	s.start("test", "--yes", "--json", "--wait", "50ms")
	s.errs.after(t, "relay: the lock holds for a second, and lets go again")
	s.input("front/contact", true)
	s.reading(5, tamperShort)
	s.ends(1)
	want := map[string]checkedJSON{
		"front/relay":   {Expected: "the lock holds for a second, and lets go again", Seen: "driven; nobody was asked", OK: true},
		"front/contact": {Expected: "closed to begin with", Seen: "open; close the door, and if it was closed, it is wired the other way round: change its active_low"},
		"front/tamper":  {Expected: "closed to begin with", Seen: "its cable is shorted: look at it from its resistors to the gateway"},
		"front/rex":     {Expected: "pressed", Seen: "nothing within 50ms"},
	}
	for line := range strings.Lines(s.out.String()) {
		var got checkedJSON
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		w := want[got.Part]
		if w.Part = got.Part; got == (checkedJSON{"front/rex", "not pressed to begin with", "not pressed", true}) {
			continue
		} else if got != w {
			t.Errorf("%+v, want %+v", got, w)
		}
		delete(want, got.Part)
	}
	if len(want) > 0 {
		t.Errorf("not told of %v", want)
	}
}

// TestHwTestUnanswered: nobody is there to answer, or they interrupt.
func TestHwTestUnanswered(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront)
	s.start("test", "--wait", "20ms")
	s.say.Close()
	s.ends(1)
	s.wants(squeeze(s.out.String()), "|front/relay FAIL nobody answered (--yes asks nobody)")

	s = newHwSite(t, hwWiring+hwFront)
	s.start("test")
	s.errs.after(t, "Did it?")
	s.stop()
	s.ends(1)
	s.wants(s.errs.String(), "tombolo: interrupted before the end; every output was let go\n")
	if s.out.String() != "" {
		t.Errorf("printed %s", s.out)
	}
}
