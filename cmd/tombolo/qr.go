package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/console"
	"tombolo/cmd/internal/folder"
	"tombolo/passport"
	"tombolo/passport/qr"
)

type qrFlags struct {
	key, door, png string
	number         uint64
	node           hex32
	window         time.Duration
	text, follow   bool
}

func (e *env) doorkeyQR() *cobra.Command {
	var d qrFlags
	c := verb("qr", "Show the code that opens a door for the next half minute", func(c *cobra.Command, _ []string) error {
		if d.window%time.Second != 0 || d.window < passport.MinWindow*time.Second || d.window > passport.MaxWindow*time.Second {
			return usage("--window %v: want whole seconds from %ds to %ds", d.window, passport.MinWindow, passport.MaxWindow)
		}
		if d.text && d.png != "" {
			return usage("%s: --text or --png, not both", c.CommandPath())
		}
		key, err := readSoftKey(d.key)
		if err != nil {
			return err
		}
		var s passport.WindowStatement
		if err := e.open(false, func(f *folder.Folder) error {
			s, err = d.statement(f)
			return err
		}); err != nil {
			return err
		}
		return e.showCodes(c.Context(), key, s, &d)
	})
	c.Flags().StringVar(&d.key, "key", "", "the door key's file")
	passportFlag(c, &d.number, "passport", "passport's number")
	c.Flags().Var(&d.node, "node", "the node's id (default this folder's)")
	c.Flags().StringVar(&d.door, "door", "", "for this door alone (default any door of the node)")
	c.Flags().DurationVar(&d.window, "window", passport.MaxWindow*time.Second, "how long the code is good for, 15s to 30s")
	c.Flags().StringVar(&d.png, "png", "", "write a PNG instead")
	c.Flags().BoolVar(&d.text, "text", false, "print the code's text instead")
	c.Flags().BoolVar(&d.follow, "follow", false, "renew it every window until interrupted")
	return need(c, "key", "passport")
}

// statement is all of a code but its time and nonce.
func (d *qrFlags) statement(f *folder.Folder) (s passport.WindowStatement, err error) {
	community, err := f.CommunityID()
	if err != nil {
		return s, err
	}
	if community.IsZero() {
		return s, folder.ErrUnpinned
	}
	own, err := f.NodeID()
	if err != nil {
		return s, err
	}
	node := passport.NodeID(d.node)
	if d.node == (hex32{}) {
		if own.IsZero() {
			return s, errors.New("this folder belongs to no node: say with --node which one the door is of")
		}
		node = passport.NodeID(own)
	}
	s = passport.WindowStatement{Community: passport.CommunityID(community), Passport: passport.ID(d.number),
		Target: passport.NodeTarget(node), Length: uint8(d.window / time.Second)}
	switch {
	case d.door == "":
	case node == passport.NodeID(own):
		s.Target, err = doorTarget(f, node, d.door)
	default:
		s.Target = passport.DoorTarget(node, d.door)
	}
	return s, err
}

func (e *env) showCodes(ctx context.Context, key *passport.SoftKey, s passport.WindowStatement, d *qrFlags) error {
	for {
		now := e.Now()
		s.Start = uint32(now.Unix() - now.Unix()%int64(s.Length))
		if _, err := rand.Read(s.Nonce[:]); err != nil {
			return err
		}
		w, err := passport.SignWindow(key, s)
		if err != nil {
			return err
		}
		if err := e.showCode(qr.Encode(w), s, d); err != nil || !d.follow {
			return err
		}
		next := time.Unix(int64(s.Start)+int64(s.Length), 0)
		if err := e.Sleep(ctx, next.Sub(now)); err != nil {
			return nil // interrupted, as was said
		}
	}
}

// codeRow is a code in JSON.
type codeRow struct {
	Code   string `json:"code,omitempty"`
	Start  stamp  `json:"start"`
	Length uint8  `json:"seconds"`
	PNG    string `json:"png,omitempty"`
}

func (e *env) showCode(text string, s passport.WindowStatement, d *qrFlags) error {
	row := codeRow{text, stamp(unix(int64(s.Start))), s.Length, d.png}
	if d.png != "" {
		code, err := console.Draw(text)
		if err != nil {
			return err
		}
		if err := folder.WriteFile(d.png, code.PNG(), 0o600); err != nil {
			return err
		}
		if d.follow && !e.json {
			return nil
		}
		return e.print(row, "%s: good until %s\n", d.png, when(unix(int64(s.Start)+int64(s.Length))))
	}
	if d.text || e.json {
		return e.print(row, "%s\n", text)
	}
	code, err := console.Draw(text)
	if err != nil {
		return err
	}
	colours := terminal(e.Out)
	if d.follow && colours {
		if _, err := io.WriteString(e.Out, "\x1b[H\x1b[2J"); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(e.Out, "%sgood until %s\n", console.Blocks(code, colours), when(unix(int64(s.Start)+int64(s.Length))))
	return err
}
