package main

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/hw/nfc/vpcd"
	"tombolo/passport"
	"tombolo/passport/card/soft"
	"tombolo/sync/ledger"
)

// errReaderWent is told when a virtual reader let its card fall.
var errReaderWent = errors.New("the virtual reader went away: look whether pcscd still runs")

func (e *env) cardSimulate() *cobra.Command {
	var file, addr string
	var enrolling bool
	var hold lasting
	c := verb("simulate", "Be a card or phone in a virtual PC/SC reader (vsmartcard-vpcd), for trying things without one", func(c *cobra.Command, _ []string) error {
		key, err := readSoftKey(file)
		if err != nil {
			return err
		}
		chip, err := e.softCard(key, enrolling)
		if err != nil {
			return err
		}
		conn, err := vpcd.Dial(c.Context(), addr)
		if err != nil {
			return err
		}
		e.note("a %s with key %s lies on the virtual reader; interrupt this to take it away", kindSays(key.Key().Kind), key.Key().ID().String()[:16])
		ctx := c.Context()
		if hold.Duration > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(hold.Duration))
			defer cancel()
		}
		switch err := vpcd.Serve(ctx, conn, chip); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		return errReaderWent
	})
	c.Flags().StringVar(&file, "key", "", "the door key's `FILE`, as tombolo doorkey new makes it: of kind halo or keycard with --simulated, or phone")
	c.Flags().StringVar(&addr, "vpcd", vpcd.DefaultAddr, "`ADDRESS` where the virtual reader listens")
	c.Flags().BoolVar(&enrolling, "enrolling", false, "a phone whose owner has asked it to be enrolled")
	c.Flags().Var(&hold, "for", "take it away after so long (default when interrupted)")
	return need(c, "key")
}

// softCard is a card or phone in software that holds the key.
func (e *env) softCard(key *passport.SoftKey, enrolling bool) (vpcd.Card, error) {
	switch key.Key().Kind {
	case passport.KindHalo:
		return soft.NewHalo(soft.HaloConfig{Key: key, Maker: e.Maker, Rand: rand.Reader}), nil
	case passport.KindKeycard:
		return soft.NewKeycard(soft.KeycardConfig{Key: key, Maker: e.Maker}), nil
	case passport.KindPhone:
		cfg := soft.PhoneConfig{Key: key, Rand: rand.Reader, Enrolling: func() bool { return enrolling }}
		err := e.open(false, func(f *folder.Folder) error {
			community, err := f.Community()
			if err != nil {
				return err
			}
			cfg.Community = passport.CommunityID(community.ID())
			for _, a := range community.Latest().Authors {
				if a.Role == ledger.Issuer && !a.Retired {
					cfg.Issuers = append(cfg.Issuers, a.Key)
				}
			}
			return nil
		})
		return soft.NewPhone(cfg), err
	}
	return nil, errors.New("no card or phone holds a key of kind software: make one with `tombolo doorkey new --kind phone`, or --kind halo --simulated")
}
