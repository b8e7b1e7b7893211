package keyboard

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	evdev "github.com/holoplot/go-evdev"
	"pgregory.net/rapid"
)

const base45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:" // RFC 9285 §4.2

// Events as a keyboard sends them: each with its report, as HID reports come.
func down(code uint16) []Event {
	return []Event{{evdev.EV_KEY, code, 1}, {evdev.EV_SYN, evdev.SYN_REPORT, 0}}
}
func up(code uint16) []Event {
	return []Event{{evdev.EV_KEY, code, 0}, {evdev.EV_SYN, evdev.SYN_REPORT, 0}}
}
func press(codes ...uint16) (out []Event) {
	for _, c := range codes {
		out = append(append(out, down(c)...), up(c)...)
	}
	return out
}

// with presses keys while another is held.
func with(held uint16, events ...Event) []Event {
	return append(append(down(held), events...), up(held)...)
}

var dropped = Event{evdev.EV_SYN, evdev.SYN_DROPPED, 0}

// shiftedKey finds the key that types c.
func shiftedKey(c byte) (code uint16, shift bool) {
	for code := uint16(0); code < evdev.KEY_KP7; code++ { // the main block's, not the keypad's
		if k, ok := us[code]; ok && k.plain == c {
			return code, false
		} else if ok && k.shifted == c {
			return code, true
		}
	}
	panic(fmt.Sprintf("no key types %q", c))
}

// typeUS is a scanner that is set to the US keyboard.
func typeUS(text string) (out []Event) {
	for _, c := range []byte(text) {
		if code, shift := shiftedKey(c); shift {
			out = append(out, with(evdev.KEY_LEFTSHIFT, press(code)...)...)
		} else {
			out = append(out, press(code)...)
		}
	}
	return out
}

// typeALT is a scanner that types ALT codes, with that many digits.
func typeALT(text string, digits int) (out []Event) {
	keys := map[rune]uint16{}
	for code, d := range keypadDigits {
		keys['0'+rune(d)] = code
	}
	for _, c := range []byte(text) {
		var alt []Event
		for _, d := range fmt.Sprintf("%0*d", digits, c) {
			alt = append(alt, press(keys[d])...)
		}
		out = append(out, with(evdev.KEY_LEFTALT, alt...)...)
	}
	return out
}

func decode(d *Decoder, events []Event) string {
	var out []byte
	for _, e := range events {
		if c, ok := d.Decode(e); ok {
			out = append(out, c)
		}
	}
	return string(out)
}

func cat(parts ...[]Event) (out []Event) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestDecoder(t *testing.T) {
	t.Parallel()
	lower := strings.ToLower(base45)
	for _, c := range []struct {
		name   string
		events []Event
		want   string
	}{
		{"base45", typeUS(base45), base45},
		{"small letters", typeUS(lower), base45},
		{"with CapsLock", cat(press(evdev.KEY_CAPSLOCK), typeUS(lower), press(evdev.KEY_CAPSLOCK)), base45},
		{"with NumLock and ScrollLock", cat(press(evdev.KEY_NUMLOCK, evdev.KEY_SCROLLLOCK), typeUS(base45)), base45},
		{"ALT codes of 2 and 3 digits", typeALT(base45, 1), base45},
		{"ALT codes of 3 digits", typeALT(base45, 3), base45},
		{"ALT codes of 4 digits", typeALT(base45, 4), base45},
		{"ALT codes, small letters", typeALT(lower, 3), base45},
		{"AltGr codes", with(evdev.KEY_RIGHTALT, press(evdev.KEY_KP6, evdev.KEY_KP5)...), "A"},
		{"ALT code of Enter", typeALT("A\r", 3), "A\r"},
		{"ALT code of a line feed", typeALT("A\n", 3), "A\r"},
		{"ALT alone", press(evdev.KEY_LEFTALT), ""},
		{"keypad", press(evdev.KEY_KP1, evdev.KEY_KPPLUS, evdev.KEY_KPASTERISK, evdev.KEY_KPDOT, evdev.KEY_KPMINUS, evdev.KEY_KPSLASH, evdev.KEY_KPENTER), "1+*.-/\r"},
		{"right shift", with(evdev.KEY_RIGHTSHIFT, press(evdev.KEY_4, evdev.KEY_5)...), "$%"},
		{"both shifts, one goes", with(evdev.KEY_LEFTSHIFT, with(evdev.KEY_RIGHTSHIFT, press(evdev.KEY_5)...)...), "%"},
		{"shift goes between", cat(with(evdev.KEY_LEFTSHIFT, press(evdev.KEY_5)...), press(evdev.KEY_5)), "%5"},
		{"shift goes before the key", cat(down(evdev.KEY_LEFTSHIFT), down(evdev.KEY_5), up(evdev.KEY_LEFTSHIFT), up(evdev.KEY_5), press(evdev.KEY_5)), "%5"},
		{"one report for all", []Event{{evdev.EV_KEY, evdev.KEY_LEFTSHIFT, 1}, {evdev.EV_KEY, evdev.KEY_8, 1}, {evdev.EV_SYN, 0, 0}}, "*"},
		{"two keys at once", cat(down(evdev.KEY_A), down(evdev.KEY_B), up(evdev.KEY_A), up(evdev.KEY_B)), "AB"},
		{"Enter", press(evdev.KEY_ENTER), "\r"},
		{"Tab", press(evdev.KEY_TAB), "\r"},
		{"Ctrl+M, Ctrl+J, Ctrl+I", with(evdev.KEY_LEFTCTRL, press(evdev.KEY_M, evdev.KEY_J, evdev.KEY_I)...), "\r\r\r"},
		{"repeats", cat(down(evdev.KEY_A), []Event{{evdev.EV_KEY, evdev.KEY_A, 2}, {evdev.EV_KEY, evdev.KEY_A, 2}}, up(evdev.KEY_A)), "A"},
		{"release of what was held before", cat(up(evdev.KEY_A), press(evdev.KEY_B)), "B"},
		{"scan codes and LEDs", cat([]Event{{evdev.EV_MSC, evdev.MSC_SCAN, 0x70004}}, press(evdev.KEY_A), []Event{{evdev.EV_LED, evdev.LED_CAPSL, 1}}), "A"},
		{"the rest of the US keyboard", typeUS("`~!@#^&()_=[]{}\\|;'\",<>?"), "`~!@#^&()_=[]{}\\|;'\",<>?"},
	} {
		if got := decode(new(Decoder), c.events); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestDecoderRefuses: what is no character spoils the code and nothing after it.
func TestDecoderRefuses(t *testing.T) {
	t.Parallel()
	const sub, can = string(rune(Unknown)), string(rune(Lost))
	for _, c := range []struct {
		name   string
		events []Event
		want   string // "G" is typed after it
	}{
		{"function key", press(evdev.KEY_F1), sub},
		{"arrow", press(evdev.KEY_LEFT), sub},
		{"escape", press(evdev.KEY_ESC), sub},
		{"backspace", press(evdev.KEY_BACKSPACE), sub},
		{"key of other layouts", press(evdev.KEY_102ND), sub},
		{"highest key", press(evdev.KEY_MAX), sub},
		{"beyond the keys", press(0xffff), sub},
		{"Ctrl+C", with(evdev.KEY_LEFTCTRL, press(evdev.KEY_C)...), sub},
		{"Meta+L", with(evdev.KEY_RIGHTMETA, press(evdev.KEY_L)...), sub},
		{"AltGr+Q, the @ of a German keyboard", with(evdev.KEY_RIGHTALT, press(evdev.KEY_Q)...), sub},
		{"Ctrl+Alt+Delete", with(evdev.KEY_LEFTCTRL, with(evdev.KEY_LEFTALT, press(evdev.KEY_DELETE)...)...), sub},
		{"ALT code of a control character", typeALT("\x1b", 3), sub},
		{"ALT code beyond ASCII", typeALT("\xe9", 4), sub},
		{"ALT code 256", with(evdev.KEY_LEFTALT, press(evdev.KEY_KP2, evdev.KEY_KP5, evdev.KEY_KP6)...), sub},
		{"ALT code of five digits", with(evdev.KEY_LEFTALT, press(evdev.KEY_KP0, evdev.KEY_KP0, evdev.KEY_KP0, evdev.KEY_KP6, evdev.KEY_KP5)...), sub},
		{"ALT code without end", with(evdev.KEY_LEFTALT, press(make([]uint16, 0)...)...), ""},
		{"ALT with the digits of the main block", with(evdev.KEY_LEFTALT, press(evdev.KEY_6, evdev.KEY_5)...), sub + sub},
		{"loss", []Event{dropped, {evdev.EV_SYN, evdev.SYN_REPORT, 0}}, can},
		{"loss, and keys before the report", cat([]Event{dropped, {evdev.EV_KEY, evdev.KEY_A, 1}, {evdev.EV_KEY, evdev.KEY_LEFTSHIFT, 1}}, up(evdev.KEY_B)), can},
		{"loss of a shift's release", cat(down(evdev.KEY_LEFTSHIFT), []Event{dropped, {evdev.EV_SYN, evdev.SYN_REPORT, 0}}, press(evdev.KEY_5)), can + "5"},
		{"loss within an ALT code", cat(down(evdev.KEY_LEFTALT), press(evdev.KEY_KP6), []Event{dropped, {evdev.EV_SYN, evdev.SYN_REPORT, 0}}, up(evdev.KEY_LEFTALT)), can},
		{"a value that no key has", []Event{{evdev.EV_KEY, evdev.KEY_A, 7}, {evdev.EV_KEY, evdev.KEY_A, -1}}, ""},
	} {
		if got := decode(new(Decoder), cat(c.events, press(evdev.KEY_G))); got != c.want+"G" {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want+"G")
		}
	}
}

func TestDecoderReset(t *testing.T) {
	t.Parallel()
	var d Decoder
	d.Reset([]uint16{evdev.KEY_LEFTSHIFT, evdev.KEY_A, evdev.KEY_ENTER})
	if got := decode(&d, cat(press(evdev.KEY_5), up(evdev.KEY_LEFTSHIFT), press(evdev.KEY_5))); got != "%5" {
		t.Errorf("with shift held: %q", got)
	}
	d.Reset([]uint16{0xffff})
	d.Decode(dropped)
	d.Reset([]uint16{}) // asked for before the report has come
	if got := decode(&d, cat([]Event{{evdev.EV_KEY, evdev.KEY_A, 1}}, up(evdev.KEY_B), press(evdev.KEY_C))); got != "C" {
		t.Errorf("before the report: %q", got)
	}
}

// TestLayoutsElsewhere: a scanner that is set to another layout does not get
// through as it is; that is why the doc has it set to US.
func TestLayoutsElsewhere(t *testing.T) {
	t.Parallel()
	if got := decode(new(Decoder), press(evdev.KEY_Z)); got != "Z" { // what a German scanner presses for Y
		t.Errorf("got %q", got)
	}
	if got := decode(new(Decoder), with(evdev.KEY_LEFTSHIFT, press(evdev.KEY_1)...)); got != "!" { // a French one for 1
		t.Errorf("got %q", got)
	}
}

// TestTyped: whatever is typed in either mode, mixed as well, comes out.
func TestTyped(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var d Decoder
		for _, mode := range rapid.SliceOfN(rapid.IntRange(0, 4), 1, 5).Draw(t, "modes") {
			text := rapid.StringOfN(rapid.RuneFrom([]rune(base45)), 1, 40, -1).Draw(t, "text")
			events := typeUS(text)
			if mode > 0 {
				events = typeALT(text, mode)
			}
			if got := decode(&d, events); got != text {
				t.Fatalf("typed %q, got %q", text, got)
			}
		}
	})
}

// FuzzDecoder: whatever events come, what is typed is bounded (a character an
// event) and either printable without small letters or one of the three that
// stand for something else; and after all keys were released a code comes out
// as it was typed.
func FuzzDecoder(f *testing.F) {
	raw := func(events []Event) (b []byte) {
		for _, e := range events {
			b = binary.LittleEndian.AppendUint16(b, e.Type)
			b = binary.LittleEndian.AppendUint16(b, e.Code)
			b = binary.LittleEndian.AppendUint32(b, uint32(e.Value))
		}
		return b
	}
	f.Add(raw(typeUS("TOMBOLO: 5%")))
	f.Add(raw(typeALT("T1$", 4)))
	f.Add(raw(cat(down(evdev.KEY_LEFTALT), press(evdev.KEY_KP6), []Event{dropped}, press(evdev.KEY_KP5))))
	f.Add(raw(cat(down(evdev.KEY_RIGHTSHIFT), down(evdev.KEY_LEFTCTRL), press(evdev.KEY_M, 0xffff, evdev.KEY_MAX))))
	f.Fuzz(func(t *testing.T, in []byte) {
		var d Decoder
		n := 0
		for ; len(in) >= 8; in = in[8:] {
			e := Event{binary.LittleEndian.Uint16(in), binary.LittleEndian.Uint16(in[2:]), int32(binary.LittleEndian.Uint32(in[4:]))}
			n++
			c, ok := d.Decode(e)
			if ok && c != End && c != Lost && c != Unknown && (c < ' ' || c > '~' || 'a' <= c && c <= 'z') {
				t.Fatalf("event %d, %v, types %#02x", n, e, c)
			}
		}
		var all []Event
		all = append(all, Event{evdev.EV_SYN, evdev.SYN_REPORT, 0})
		for code := range uint16(evdev.KEY_CNT) {
			all = append(all, Event{evdev.EV_KEY, code, 0})
		}
		decode(&d, all)
		if got := decode(&d, typeUS(base45)); got != base45 {
			t.Fatalf("after all keys were released: %q", got)
		}
	})
}
