package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/pin"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

func (e *env) pinCmd() *cobra.Command {
	return group("pin", "PINs that doors ask for beside a card", e.pinSet(), e.pinClear(), e.pinList())
}

type pinFlags struct {
	passport         uint64
	duress, generate bool
	digits           int
	file             string
}

func (e *env) pinSet() *cobra.Command {
	var d pinFlags
	c := verb("set", "Give a passport its PIN at all gateways of the node; the last one counts", func(c *cobra.Command, _ []string) error {
		switch {
		case d.generate && d.file != "":
			return usage("%s: --generate draws a PIN, and --pin-file brings one: leave one of them away", c.CommandPath())
		case !d.generate && c.Flags().Changed("digits"):
			return usage("%s: --digits is for --generate", c.CommandPath())
		case d.digits < pin.MinDigits || d.digits > pin.MaxDigits:
			return usage("%s: --digits %d: %d to %d", c.CommandPath(), d.digits, pin.MinDigits, pin.MaxDigits)
		}
		return e.change(false, func(f *folder.Folder) error { return e.setPin(f, &d) })
	})
	passportFlag(c, &d.passport, "passport", "passport's number")
	c.Flags().BoolVar(&d.duress, "duress", false, "a duress PIN too: it opens like the other one and raises a silent alarm")
	c.Flags().BoolVar(&d.generate, "generate", false, "draw it at random and print it, once")
	c.Flags().IntVar(&d.digits, "digits", 6, "of a PIN that is drawn")
	c.Flags().StringVar(&d.file, "pin-file", "", "it is the first line of this file, and with --duress the duress PIN the second (default: ask)")
	return need(c, "passport")
}

// pinRow is what `pin set` and `pin list` say; the PINs only where they were drawn.
type pinRow struct {
	Passport uint64   `json:"passport"`
	Set      stamp    `json:"set"`
	Steward  string   `json:"steward,omitempty"`
	Gateways []string `json:"gateways"` // which have it
	Missing  []string `json:"missing"`  // which do not
	PIN      string   `json:"pin,omitempty"`
	Duress   string   `json:"duress,omitempty"`
}

func (e *env) setPin(f *folder.Folder, d *pinFlags) error {
	if _, err := admittedMember(f, d.passport); err != nil {
		return err
	}
	gateways, err := activeGateways(f)
	if err != nil {
		return err
	}
	if len(gateways) == 0 {
		return errors.New("no gateway is enrolled that a PIN could be sealed to: `tombolo gateway approve FILE` first")
	}
	if err := e.tellPinUnused(f); err != nil {
		return err
	}
	digits, duress, err := e.choosePin(d)
	if err != nil {
		return err
	}
	body, err := sealPin(f, d.passport, gateways, digits, duress)
	if err != nil {
		return err
	}
	if err := e.write(f, ledger.NodeLog, body); err != nil {
		return err
	}
	row := pinRow{Passport: d.passport, Set: stamp(e.Now()), Missing: []string{}}
	for _, g := range gateways {
		row.Gateways = append(row.Gateways, g.Name)
	}
	shown := ""
	if d.generate {
		row.PIN, row.Duress = digits, duress
		shown = fmt.Sprintf("PIN          %s\n", digits)
		if duress != "" {
			shown += fmt.Sprintf("duress PIN   %s\n", duress)
		}
		shown += "Nothing shows it again.\n"
	}
	return e.print(row, "%spassport %d has a PIN at %s; %s\n", shown, d.passport, strings.Join(row.Gateways, ", "), obeyed)
}

func activeGateways(f *folder.Folder) ([]folder.Gateway, error) {
	all, err := f.Gateways()
	return slices.DeleteFunc(all, func(g folder.Gateway) bool { return !g.Active() }), err
}

// tellPinUnused warns of a policy by which nobody is asked for a PIN.
func (e *env) tellPinUnused(f *folder.Folder) error {
	p, err := currentPolicy(f)
	if err == nil {
		for _, d := range p.Doors {
			if !d.Pin.Never() {
				return nil
			}
		}
	} else if !errors.Is(err, errNoPolicy) {
		return err
	}
	e.warn("no door of the signed policy asks for a PIN")
	return nil
}

// sealPin makes the entry that carries a PIN to each gateway.
func sealPin(f *folder.Folder, n uint64, gateways []folder.Gateway, digits, duress string) (*ledger.PinSet, error) {
	community, err := f.CommunityID()
	if err != nil {
		return nil, err
	}
	node, err := f.NodeID()
	if err != nil {
		return nil, err
	}
	var random pin.Random
	for _, b := range [][]byte{random.Salt[:], random.None[:]} {
		if _, err := rand.Read(b); err != nil {
			return nil, err
		}
	}
	secret, err := pin.Hash(digits, duress, pin.DefaultCost, random)
	if err != nil {
		return nil, err
	}
	body := &ledger.PinSet{Passport: n}
	for _, g := range gateways {
		sealed, err := secret.Seal(g.Keys.Sealing, pin.Context{
			Community: passport.CommunityID(community), Node: passport.NodeID(node), Gateway: g.Keys.Signing, Passport: passport.ID(n)})
		if err != nil {
			return nil, fmt.Errorf("gateway %q: %w", g.Name, err)
		}
		body.Boxes = append(body.Boxes, ledger.PinBox{Gateway: g.Keys.Signing, Sealed: sealed})
	}
	slices.SortFunc(body.Boxes, func(a, b ledger.PinBox) int { return slices.Compare(a.Gateway[:], b.Gateway[:]) })
	return body, nil
}

// choosePin has the PINs drawn, read or typed, and judges them.
func (e *env) choosePin(d *pinFlags) (digits, duress string, err error) {
	switch {
	case d.generate:
		return drawPins(d.digits, d.duress)
	case d.file != "":
		text, err := folder.ReadStream(d.file, 4096)
		if err != nil {
			return "", "", err
		}
		lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n")
		if n := len(lines); n > 2 || d.duress != (n == 2) {
			return "", "", fmt.Errorf("%s has %d lines: want the PIN, and with --duress the duress PIN on a second one", d.file, n)
		}
		if d.duress {
			duress = lines[1]
		}
		if err := pin.CheckChoice(lines[0], duress); err != nil {
			return "", "", fmt.Errorf("%s: %w", d.file, err)
		}
		return lines[0], duress, nil
	}
	if digits, err = e.askPin("PIN", d.passport, func(s string) error { return pin.CheckChoice(s, "") }); err != nil || !d.duress {
		return digits, "", err
	}
	duress, err = e.askPin("Duress PIN", d.passport, func(s string) error { return pin.CheckChoice(digits, s) })
	return digits, duress, err
}

var errPinEmpty = errors.New("nothing was typed, and nothing was done")

// askPin has a PIN typed twice.
func (e *env) askPin(what string, n uint64, check func(string) error) (string, error) {
	const instead = "the PIN is typed on a terminal: name a file with --pin-file, or let --generate draw one"
	first, err := e.askSecret(fmt.Sprintf("%s of passport %d: ", what, n), instead)
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", errPinEmpty
	}
	if err := check(first); err != nil {
		return "", err
	}
	again, err := e.askSecret("Once more: ", instead)
	if err != nil {
		return "", err
	}
	if again != first {
		return "", errors.New("the second was another one; nothing was done")
	}
	return first, nil
}

// drawPins draws until nothing is wrong with what came.
func drawPins(n int, withDuress bool) (digits, duress string, err error) {
	draw := func() (string, error) {
		for {
			var random [4 * pin.MaxDigits]byte
			if _, err := rand.Read(random[:]); err != nil {
				return "", err
			}
			if s, ok := pin.FromRandom(n, random[:]); ok {
				return s, nil
			}
		}
	}
	if digits, err = draw(); err != nil || !withDuress {
		return digits, "", err
	}
	for {
		if duress, err = draw(); err != nil || pin.CheckChoice(digits, duress) == nil {
			return digits, duress, err
		}
	}
}

func (e *env) pinClear() *cobra.Command {
	var n uint64
	c := verb("clear", "Take a passport's PIN away: doors that ask for one stay shut to it", func(*cobra.Command, []string) error {
		return e.change(false, func(f *folder.Folder) error {
			o, err := readOrders(f, nil)
			if err != nil {
				return err
			}
			if _, ok := o.pins[n]; !ok {
				return fmt.Errorf("passport %d has no PIN, as far as this folder knows; see `tombolo pin list`", n)
			}
			if err := e.write(f, ledger.NodeLog, &ledger.PinSet{Passport: n}); err != nil {
				return err
			}
			return e.print(pinRow{Passport: n, Set: stamp(e.Now()), Gateways: []string{}, Missing: []string{}}, "passport %d has no PIN any more; %s\n", n, obeyed)
		})
	})
	passportFlag(c, &n, "passport", "passport's number")
	return need(c, "passport")
}

func (e *env) pinList() *cobra.Command {
	return verb("list", "List who has a PIN, and at which gateways", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			rows, err := pinRows(f)
			if err != nil {
				return err
			}
			return table(e, rows, "Nobody has a PIN.", []string{"PASSPORT", "SET", "GATEWAYS", "MISSING AT"}, func(r pinRow) []string {
				return []string{fmt.Sprint(r.Passport), when(asTime(r.Set)), orNone(r.Gateways), orNone(r.Missing)}
			})
		})
	})
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ",")
}

// pinRows is who has a PIN, and which of the gateways that are enrolled can read
// it.
func pinRows(f *folder.Folder) ([]pinRow, error) {
	o, err := readOrders(f, nil)
	if err != nil {
		return nil, err
	}
	gateways, err := activeGateways(f)
	if err != nil {
		return nil, err
	}
	var rows []pinRow
	for _, n := range slices.Sorted(maps.Keys(o.pins)) {
		p := o.pins[n]
		row := pinRow{Passport: n, Set: stamp(p.at), Steward: p.steward.String(), Gateways: []string{}, Missing: []string{}}
		for _, g := range gateways {
			if sealedTo(p.body, g.Keys.Signing) {
				row.Gateways = append(row.Gateways, g.Name)
			} else {
				row.Missing = append(row.Missing, g.Name)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func sealedTo(b *ledger.PinSet, gateway [32]byte) bool {
	return slices.ContainsFunc(b.Boxes, func(x ledger.PinBox) bool { return x.Gateway == gateway })
}

// tellPins warns of the PINs that a gateway can read, or cannot.
func (e *env) tellPins(f *folder.Folder, gateway [32]byte, can bool, format string) error {
	o, err := readOrders(f, nil)
	if err != nil {
		return err
	}
	var all []string
	for _, n := range slices.Sorted(maps.Keys(o.pins)) {
		if sealedTo(o.pins[n].body, gateway) == can {
			all = append(all, fmt.Sprint(n))
		}
	}
	const most = 20
	if n := len(all); n > most {
		all = append(all[:most], fmt.Sprintf("and %d more", n-most))
	}
	if len(all) > 0 {
		e.warn(format, strings.Join(all, ", "))
	}
	return nil
}
