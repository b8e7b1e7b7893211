package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/service"
	"tombolo/sync/hub/evaluator"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
)

// maxPeers bounds the gateways that are heard, and the directories.
const maxPeers = 1 << 15

// figuresEvery is how often an evaluator logs what it did.
const figuresEvery = time.Minute

func (e *env) evaluatorRun() *cobra.Command {
	c := verb("run", "Answer gateways and issuers over the links of links.toml", func(c *cobra.Command, _ []string) error {
		f, err := folder.Open(e.dir, false)
		if err != nil {
			return e.noFolder(err)
		}
		f.Now = e.Now
		return errors.Join(e.evaluate(c.Context(), f), f.Close())
	})
	c.Long = "Each key goes when its epoch's audit is over, while this runs or when it starts next. The folder's links.toml names the brokers, as a\ndesk's does."
	return c
}

func (e *env) evaluate(ctx context.Context, f *folder.Folder) error {
	unlock, err := folder.Lock(f.Dir(), folder.DaemonLock, false)
	if err != nil {
		return err
	}
	defer unlock()
	log := e.log()
	author, err := f.Key(folder.EvaluatorKey)
	if err != nil {
		return fmt.Errorf("this is no evaluator's folder: %w", err)
	}
	var known standing
	look := func() error {
		rights, err := f.Rights()
		if err != nil {
			return err
		}
		epochs, err := epochsOf(f)
		if err != nil {
			return err
		}
		known.rights.Store(&rights)
		known.epochs.Store(&epochs)
		return nil
	}
	if err := look(); err != nil {
		return err
	}
	keys, err := openKeys(f, &evaluator.Config{
		Rights: func() (replica.Rights, error) { return *known.rights.Load(), nil },
		Epochs: func() ([]ledger.EpochOpened, error) { return *known.epochs.Load(), nil },
		Now:    e.Now, Log: log,
	})
	if err != nil {
		return err
	}
	defer keys.Close()
	d := &desk{author: author, now: e.Now}
	links, err := d.configs(f, "evaluator", nil, log)
	if err != nil {
		return err
	}
	node, err := peer.New(peer.Config{
		Store: f.Store(), Self: selfOf(author), Rights: f.Rights, Links: links, Answer: keys.Answer, Ledgers: maxPeers, Now: e.Now, Log: log,
	})
	if err != nil {
		return err
	}
	if err := e.tellUnnamed(f, ledger.Evaluator, author, log); err != nil {
		return err
	}
	var parts sync.WaitGroup
	parts.Go(func() { follow(ctx, f.Store(), log, look) })
	parts.Go(func() { _ = keys.Run(ctx) })
	parts.Go(func() { figures(ctx, keys, log) })
	parts.Go(func() {
		service.Feed(ctx, log, func(context.Context) error { _, err := keys.Keys(); return err })
	})
	err = node.Run(ctx)
	parts.Wait()
	log.Info("stopped")
	return err
}

func selfOf(author ed25519.PrivateKey) replica.Peer {
	return ledger.KeyIDOf(author.Public().(ed25519.PublicKey))
}

// tellUnnamed warns as long as the charter does not name a service: nobody heeds it.
func (e *env) tellUnnamed(f *folder.Folder, role ledger.AuthorRole, author ed25519.PrivateKey, log *slog.Logger) error {
	community, err := f.Community()
	if err != nil {
		return err
	}
	if !inForce(community, role, [32]byte(author.Public().(ed25519.PublicKey))) {
		log.Warn("the charter in force here does not name this "+string(role)+": until it does nobody heeds it", "request", folder.ServiceFile(role), "remedy", "tombolo charter update community --service "+folder.ServiceFile(role))
	}
	return nil
}

// figures logs what was answered, in sums.
func figures(ctx context.Context, keys *evaluator.Evaluator, log *slog.Logger) {
	tick := time.NewTicker(figuresEvery)
	defer tick.Stop()
	var last evaluator.Stats
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s := keys.Stats(); s != last {
			log.Info("so far", "offers", s.Offers, "batches", s.Batches, "elements", s.Elements, "refused", s.Refused, "malformed", s.Malformed, "failed", s.Failed)
			last = s
		}
	}
}
