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
	c.Flags().StringVar(&r.name, "reader", "", "the PC/SC reader's `NAME`, or a part of it (default the only one; see tombolo hw list)")
	c.Flags().StringVar(&r.pn532, "pn532", "", "a PN532 instead, by its `BUS`: i2c:/dev/i2c-1, spi:/dev/spidev0.0 or uart:/dev/ttyUSB0")
	c.Flags().Var(&r.wait, "wait", "for how long to wait for a card")
}

func (r *deskReader) check(c *cobra.Command) error {
	if r.name != "" && r.pn532 != "" {
		return usage("%s: --reader and --pn532: name one", c.CommandPath())
	}
	if _, _, err := nfc.ParsePN532Bus(r.pn532); r.pn532 != "" && err != nil {
		return usage("%s: --pn532: %w", c.CommandPath(), err)
	}
	return nil
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

// Why nothing came of a card.
var (
	errNoCard      = errors.New("no card was held to the reader, or not for long enough: try again, or say how long to wait with --wait")
	errInterrupted = errors.New("interrupted: nothing was done")
)

// withCard waits for a card and has do talk to it; one that is taken away too soon
// may come again. do is called anew for each, so it must be harmless to repeat.
// At a desk, where somebody looks on, a card that lies on the reader already is
// as good as one that comes.
func (e *env) withCard(ctx context.Context, r *deskReader, do func(card.Transceiver) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(r.wait.Duration), errNoCard)
	defer cancel()
	err := e.atReader(ctx, r, do)
	switch cause := context.Cause(ctx); {
	case err == nil || cause == nil || !errors.Is(err, ctx.Err()):
		return err
	case errors.Is(cause, errNoCard):
		return fmt.Errorf("%w (it was %v)", cause, time.Duration(r.wait.Duration))
	}
	return errInterrupted
}

func (e *env) atReader(ctx context.Context, r *deskReader, do func(card.Transceiver) error) (err error) {
	field, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, field.Close()) }()
	e.note("hold the card or phone to the reader")
	for {
		t, err := field.Wait(ctx)
		if err == nil {
			err = do(t)
			if !errors.Is(err, card.ErrGone) {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, card.ErrGone):
			e.note("it was taken away too soon: hold it there again, until this is done")
		case errors.Is(err, nfc.ErrSeveral), errors.Is(err, nfc.ErrNotISO), errors.Is(err, nfc.ErrHeld):
			e.note("%v", err)
		default:
			return err
		}
		if err := field.Left(ctx); err != nil {
			return err
		}
	}
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

// kindSays is what holds a key, in words.
func kindSays(k passport.KeyKind) string {
	if w, ok := kindWords[k]; ok {
		return w
	}
	return k.String() + " key"
}

// words is the card as a person reads it.
func (c cardJSON) words(kind passport.KeyKind) string {
	var b strings.Builder
	width := len("genuine")
	for _, d := range c.Details {
		width = max(width, len(d.Name))
	}
	line := func(name, value string) { fmt.Fprintf(&b, "%-*s  %s\n", width, name, value) }
	what := kindSays(kind)
	if c.Version != "" {
		what += ", applet " + c.Version
	}
	line("card", what)
	line("key", c.Key)
	line("id", c.ID.String())
	switch {
	case c.Genuine:
		line("genuine", "yes, by its maker's signatures")
	case kind.Card():
		line("genuine", "NO: "+c.Why)
	default:
		line("genuine", "not proved: "+c.Why)
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
func useOf(all *members, id passport.KeyID, now time.Time) string {
	if k := all.claimed[id]; k != nil {
		return fmt.Sprintf("door key of passport %d: %s", k.passport, k.state(all, now))
	}
	return "nobody's door key here yet"
}

// mayClaim refuses a key that no gateway would take for that passport: before
// anything is signed.
func mayClaim(all *members, n uint64, id passport.KeyID) error {
	switch k := all.claimed[id]; {
	case k == nil:
		return nil
	case k.passport != n:
		return fmt.Errorf("the key belongs to passport %d, which claimed it on %s; a key is never shared: take another card for passport %d", k.passport, when(k.added), n)
	case k.revoked != nil:
		return fmt.Errorf("the key was revoked on %s (%s), for good: take another card", when(k.at), k.revoked.Why)
	}
	return nil
}

func (e *env) cardRead() *cobra.Command {
	var r deskReader
	c := verb("read", "Say what a card is, whether it is genuine, and whose", func(c *cobra.Command, _ []string) error {
		if err := r.check(c); err != nil {
			return err
		}
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
		switch err := e.open(false, func(f *folder.Folder) error {
			all, err := readMembers(f)
			if err == nil {
				out.Use = useOf(all, info.Key.ID(), e.Now())
			}
			return err
		}); {
		case errors.Is(err, folder.ErrNoFolder):
		case err != nil:
			e.warn("whose it is cannot be told: %v", err)
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
		if err := r.check(c); err != nil {
			return err
		}
		// What would fail once the card has signed, fails before.
		if d.wallet.keystore != "" {
			if _, err := d.wallet.read(); err != nil {
				return err
			}
		}
		return e.open(false, func(f *folder.Folder) error {
			all, err := readMembers(f)
			if err != nil {
				return err
			}
			return e.delegate(f, &d, passport.Key{}, func(digestOf func(passport.Key) ([32]byte, error)) (sig passport.Signature, err error) {
				err = e.withCard(c.Context(), &r, func(t card.Transceiver) error {
					info, err := card.Identify(t, e.roots(), rand.Reader)
					if err != nil {
						return err
					}
					out := cardOf(info)
					out.Use = useOf(all, info.Key.ID(), e.Now())
					e.note("%s", strings.TrimSuffix(out.words(info.Key.Kind), "\n"))
					// A phone has no maker to ask: it proves that it holds its key.
					if info.Genuine != nil && !errors.Is(info.Genuine, card.ErrNoProof) && !unproved {
						return fmt.Errorf("this card is not enrolled, as a copy of it may exist: %w (--unproved enrols it all the same)", info.Genuine)
					}
					if err := mayClaim(all, d.number, info.Key.ID()); err != nil {
						return err
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
