package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/strict"
	"tombolo/hw/nfc"
	"tombolo/passport"
	"tombolo/passport/card"
)

func (e *env) cardCmd() *cobra.Command {
	return group("card", "Cards and phones, at a desk that has a reader", e.cardRead(), e.cardEnroll(), e.cardSimulate())
}

// deskReader is the reader at a steward's desk.
type deskReader struct {
	name, pn532 string
	wait        lasting
}

func (r *deskReader) flags(c *cobra.Command) {
	r.wait.Duration = strict.Duration(time.Minute)
	c.Flags().StringVar(&r.name, "reader", "", "the PC/SC reader, or a part of its name (default the only one; `tombolo hw list` names them)")
	c.Flags().StringVar(&r.pn532, "pn532", "", `a PN532 instead, by its bus: "i2c:/dev/i2c-1", "spi:/dev/spidev0.0" or "uart:/dev/ttyUSB0"`)
	c.Flags().Var(&r.wait, "wait", "for how long to wait for a card")
}

func (r *deskReader) open(ctx context.Context) (nfc.Field, error) {
	if r.pn532 != "" {
		return nfc.OpenPN532(ctx, nfc.PN532Config{Bus: r.pn532, Log: slog.New(slog.DiscardHandler)})
	}
	return nfc.OpenPCSC(ctx, r.name)
}

// roots are the keys that genuine cards lead to.
func (e *env) roots() card.Roots {
	if e.Roots != nil {
		return *e.Roots
	}
	return card.MakersRoots()
}

// errNoCard is told when nobody held a card to the reader.
var errNoCard = errors.New("no card was held to the reader")

// withCard waits for a card and has do talk to it; one that is taken away too soon
// may come again. do is called anew for each, so it must be harmless to repeat.
func (e *env) withCard(ctx context.Context, r *deskReader, do func(card.Transceiver) error) error {
	if r.name != "" && r.pn532 != "" {
		return usage("--reader and --pn532: name one")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(r.wait.Duration), errNoCard)
	defer cancel()
	ctx, done := context.WithCancelCause(ctx)
	finished := errors.New("finished")
	var result error
	err := nfc.Run(ctx, nfc.Config{
		Open: r.open,
		Log:  slog.New(slog.DiscardHandler),
		Card: func(_ context.Context, t card.Transceiver) {
			if result = do(t); errors.Is(result, card.ErrGone) {
				e.note("it was taken away too soon: hold it there again, until this is done")
				return
			}
			done(finished)
		},
		Refused: func(err error) { e.note("%v", err) },
		State: func(up bool, err error) {
			if !up {
				done(err) // at a desk somebody is there to see to it
				return
			}
			e.note("hold the card or phone on the reader")
		},
	})
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, finished):
		return result
	case cause != nil:
		return cause
	}
	return err
}

// note tells a person what goes on.
func (e *env) note(format string, args ...any) { fmt.Fprintf(e.Err, format+"\n", args...) }

// cardJSON is what a card is.
type cardJSON struct {
	Kind    string         `json:"kind"`
	Key     string         `json:"key"`
	ID      passport.KeyID `json:"id"`
	Version string         `json:"version,omitempty"`
	Genuine bool           `json:"genuine"`
	Why     string         `json:"whyNot,omitempty"`
	Details []detailJSON   `json:"details,omitempty"`
	Use     string         `json:"use,omitempty"` // whose door key it is, as far as this folder knows
}

type detailJSON struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func cardOf(info card.Info) cardJSON {
	c := cardJSON{Kind: info.Key.Kind.String(), Key: info.Key.String(), ID: info.Key.ID(), Version: info.Version, Genuine: info.Genuine == nil}
	if info.Genuine != nil {
		c.Why = info.Genuine.Error()
	}
	for _, d := range info.Details {
		c.Details = append(c.Details, detailJSON(d))
	}
	return c
}

var kindWords = map[passport.KeyKind]string{
	passport.KindHalo: "HaLo chip", passport.KindKeycard: "Status Keycard", passport.KindPhone: "phone with the app",
}

// words is the card as a person reads it.
func (c cardJSON) words(kind passport.KeyKind) string {
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%-9s %s\n", name, value) }
	what := kindWords[kind]
	if c.Version != "" {
		what += ", applet " + c.Version
	}
	line("card", what)
	line("key", c.Key)
	line("id", c.ID.String())
	if c.Genuine {
		line("genuine", "yes, by its maker's signatures")
	} else {
		line("genuine", "NOT PROVED: "+c.Why)
	}
	for _, d := range c.Details {
		line(d.Name, d.Value)
	}
	if c.Use != "" {
		line("use", c.Use)
	}
	return b.String()
}

// useOf says whose door key a key is, as far as the folder knows.
func useOf(f *folder.Folder, id passport.KeyID, now time.Time) (string, error) {
	all, err := readMembers(f)
	if err != nil {
		return "", err
	}
	if k := all.claimed[id]; k != nil {
		return fmt.Sprintf("door key of passport %d: %s", k.passport, k.state(all, now)), nil
	}
	return "nobody's door key here yet", nil
}

func (e *env) cardRead() *cobra.Command {
	var r deskReader
	c := verb("read", "Say what a card is, whether it is genuine, and whose", func(c *cobra.Command, _ []string) error {
		var info card.Info
		err := e.withCard(c.Context(), &r, func(t card.Transceiver) (err error) {
			info, err = card.Identify(t, e.roots(), rand.Reader)
			return err
		})
		if err != nil {
			return err
		}
		out := cardOf(info)
		// Whose it is, is told where there is a folder that may know.
		if err := e.open(false, func(f *folder.Folder) (err error) {
			out.Use, err = useOf(f, info.Key.ID(), e.Now())
			return err
		}); err != nil {
			out.Use = ""
		}
		return e.print(out, "%s", out.words(info.Key.Kind))
	})
	r.flags(c)
	return c
}

func (e *env) cardEnroll() *cobra.Command {
	var r deskReader
	var d delegateFlags
	var unproved bool
	c := verb("enroll", "Make a card or phone a passport's door key: shows what it is, has its maker's signatures checked and the card sign, and asks the wallet", func(c *cobra.Command, _ []string) error {
		if err := d.check(c); err != nil {
			return err
		}
		if d.out == "" && (d.wallet.typedData || d.wallet.signature != "") {
			return usage("%s: --out is missing: it is where --typed-data leaves what --signature ends", c.CommandPath())
		}
		return e.open(false, func(f *folder.Folder) error {
			return e.delegate(f, &d, passport.Key{}, func(digestOf func(passport.Key) ([32]byte, error)) (sig passport.Signature, err error) {
				err = e.withCard(c.Context(), &r, func(t card.Transceiver) error {
					info, err := card.Identify(t, e.roots(), rand.Reader)
					if err != nil {
						return err
					}
					out := cardOf(info)
					if out.Use, err = useOf(f, info.Key.ID(), e.Now()); err != nil {
						return err
					}
					e.note("%s", strings.TrimSuffix(out.words(info.Key.Kind), "\n"))
					// A phone has no maker to ask: it proves that it holds its key.
					if info.Genuine != nil && !errors.Is(info.Genuine, card.ErrNoProof) && !unproved {
						return fmt.Errorf("this card is not enrolled, as a copy may exist: %w (--unproved enrols it all the same)", info.Genuine)
					}
					digest, err := digestOf(info.Key)
					if err != nil {
						return err
					}
					if sig, err = card.Possess(t, info.Key, digest); err != nil {
						return err
					}
					e.note("the card has signed: it can be taken away")
					return nil
				})
				return sig, err
			})
		})
	})
	r.flags(c)
	d.flags(c)
	c.Flags().BoolVar(&unproved, "unproved", false, "enrol a card whose maker's signatures do not prove it genuine")
	return need(c, "passport")
}
