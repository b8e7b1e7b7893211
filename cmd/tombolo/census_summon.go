package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// summonFlags are those of `census summon`.
type summonFlags struct {
	auditSource
	reader  deskReader
	report  string
	index   uint64
	softKey string
	absent  bool
}

func (e *env) censusSummon() *cobra.Command {
	var s summonFlags
	c := verb("summon", "Have the person behind a drawn tag tap a fresh challenge before you, or record that nobody came", func(c *cobra.Command, _ []string) error {
		report, err := readCensusFile(s.report)
		if err != nil {
			return err
		}
		if report.report == nil {
			return fmt.Errorf("%s: %w", s.report, census.ErrReportFile)
		}
		if s.absent {
			return e.recordAbsent(&s, *report.report)
		}
		if err := errors.Join(s.check(c), s.reader.check(c)); err != nil {
			return usageError{Err: err}
		}
		return asUnchecked(e.fromHub(&s.auditSource, func(hub hubSource) error { return e.summon(c.Context(), hub, &s, *report.report) }))
	})
	c.Long = "The opening that this auditor was given says which door key has to answer; nothing of it goes into the report.\n" +
		"Ends with status 1 when another key answered."
	s.flags(c)
	s.reader.flags(c)
	c.Flags().StringVar(&s.report, "report", "", "the audit's report, into which it goes")
	c.Flags().Uint64Var(&s.index, "index", 0, "the drawn tag, by its line in the list as the report names it")
	c.Flags().StringVar(&s.softKey, "simulated", "", "a door key's `FILE` in the place of a card, as for doorkey tap")
	c.Flags().BoolVar(&s.absent, "absent", false, "record that nobody came")
	return need(c, "report", "index")
}

// drawnOf finds a drawn tag in a report.
func drawnOf(r census.Report, index uint64) (census.Tag, error) {
	i := slices.IndexFunc(r.Drawn, func(d census.Drawn) bool { return d.Index == index })
	if i < 0 {
		return census.Tag{}, fmt.Errorf("line %d was not drawn; the report has the lines that were, under \"drawn\"", index)
	}
	var tag hex32
	err := tag.Set(r.Drawn[i].Tag)
	return census.Tag(tag), err
}

func (e *env) recordAbsent(s *summonFlags, r census.Report) error {
	tag, err := drawnOf(r, s.index)
	if err != nil {
		return err
	}
	return e.recordSummons(s, r, census.Absent(s.index, tag, uint64(e.Now().Unix())))
}

func (e *env) recordSummons(s *summonFlags, r census.Report, one census.Summoned) error {
	if err := r.Summon(one); err != nil {
		return err
	}
	if err := e.keepReport(s.report, r); err != nil {
		return err
	}
	x := r.Result
	words := "nobody came, which counts against"
	if one.Came {
		words = "came and tapped"
	}
	return e.print(one, "line %d: %s. Of %d summoned %d came.\n", one.Index, words, x.Summoned, x.Came)
}

func (e *env) summon(ctx context.Context, hub hubSource, s *summonFlags, r census.Report) error {
	tag, err := drawnOf(r, s.index)
	if err != nil {
		return err
	}
	if err := s.epoch.Set(r.Epoch); err != nil {
		return err
	}
	return e.gather(ctx, hub, &s.auditSource, func(g *gathering) error {
		closed, ok := g.closed()
		switch {
		case !ok || fmt.Sprintf("%x", closed.Body.Root) != r.Root:
			return errors.New("the report is of another list than the hub's; audit again")
		case !g.named:
			return errors.New("the epoch does not name this auditor: nothing was opened to it")
		}
		if err := g.fetchReports(ctx, false); err != nil {
			return err
		}
		if err := g.fetchList(ctx, closed); err != nil {
			return err
		}
		if err := g.fetchOpenings(ctx); err != nil {
			return err
		}
		g.bar.end()
		opening, listed, err := g.opened(closed, tag)
		if err != nil {
			return err
		}
		if can, err := opening.CanTap(); err != nil {
			return err
		} else if !can {
			e.warn("the door key of this tag was delegated for codes alone: another key of the same passport has to answer")
		}
		auditor := [32]byte(g.key.PublicKey().Bytes())
		challenge, err := census.NewSummons(rand.Reader, g.chain.ID(), g.epoch.id, tag, auditor, uint64(e.Now().Unix()))
		if err != nil {
			return err
		}
		challenge, tap, err := e.summonsTap(ctx, s, challenge, g.epoch.id, tag, auditor)
		if err != nil {
			return err
		}
		others, gone, err := g.delegations(opening.Passport)
		if err != nil {
			return err
		}
		if slices.Contains(gone, tap.Key.ID()) {
			return fmt.Errorf("%w: this door key was revoked: another of the same passport has to answer", errAuditFailed)
		}
		if err := census.CheckSummons(g.rules, listed, opening, auditor, challenge, tap, others...); err != nil {
			return fmt.Errorf("%w: %w", errAuditFailed, err)
		}
		return e.recordSummons(s, r, census.Came(s.index, tag, tap))
	})
}

// opened is the opening of a drawn tag that holds, with the list's line.
func (g *gathering) opened(closed census.Closed, tag census.Tag) (census.Opening, census.Entry, error) {
	list, err := census.NewList(g.list)
	switch {
	case err != nil:
		return census.Opening{}, census.Entry{}, err
	case list.Root(nil) != closed.Body.Root || g.whole && census.CoversHash(g.covers) != closed.Body.Covers:
		return census.Opening{}, census.Entry{}, errors.New("what the hub gives is not what it closed with; audit again")
	}
	i, ok := list.Find(tag)
	if !ok {
		return census.Opening{}, census.Entry{}, census.ErrNotListed
	}
	err = errors.New("it was not opened to this auditor")
	for _, a := range g.answers[tag] {
		if err = a.Err; err != nil {
			continue
		}
		if err = a.Opening.Verify(g.rules, list.At(i)); err == nil {
			return a.Opening, list.At(i), nil
		}
	}
	return census.Opening{}, list.At(i), fmt.Errorf("the tag of line %d: %w", i, err)
}

// delegations are the door keys that the issuers entered for a passport: any of them
// may answer. gone are those that were revoked since: whoever found a lost card could.
func (g *gathering) delegations(n uint64) (out [][]byte, gone []passport.KeyID, err error) {
	for r, err := range g.Counted(ledger.CommunityLog) {
		if err != nil {
			return nil, nil, err
		}
		switch b := r.Body.(type) {
		case *ledger.DoorKeyAdded:
			if s, err := passport.ParseSignedDelegation(b.Delegation); err == nil && uint64(s.Delegation.Passport) == n {
				out = append(out, b.Delegation)
			}
		case *ledger.DoorKeyRevoked:
			if b.Passport == n {
				gone = append(gone, b.Key)
			}
		}
	}
	return out, gone, nil
}

// summonsTap has a card, or a key in a file, answer the challenge.
func (e *env) summonsTap(ctx context.Context, s *summonFlags, ch passport.Challenge, epoch ledger.EpochID, tag census.Tag, auditor [32]byte) (asked passport.Challenge, tap passport.Tap, err error) {
	if s.softKey == "" {
		err = e.withCard(ctx, &s.reader, func(t card.Transceiver) (err error) {
			asked, tap, err = summonsCard(t, ch, epoch, tag, auditor)
			return err
		})
		return asked, tap, err
	}
	key, err := readSoftKey(s.softKey)
	if err != nil {
		return ch, tap, err
	}
	sig, err := key.Sign(ch.Sum())
	if err != nil {
		return ch, tap, err
	}
	tap, err = passport.NewTap(ch, key.Key(), sig)
	return ch, tap, err
}

// summonsCard asks a card, which each time is with a nonce of its own: the challenge
// that it answered comes back.
func summonsCard(t card.Transceiver, ch passport.Challenge, epoch ledger.EpochID, tag census.Tag, auditor [32]byte) (passport.Challenge, passport.Tap, error) {
	answer, err := card.Tap(t, card.Asker{
		Gateway: auditor, Door: census.SummonsDoor(epoch, tag), Rand: rand.Reader,
		Challenge: func(nonce [32]byte) passport.Challenge { ch.Nonce = nonce; return ch },
	})
	if err != nil {
		return ch, passport.Tap{}, err
	}
	tap, err := passport.NewTap(answer.Challenge, answer.Key, answer.Signature)
	return answer.Challenge, tap, err
}
