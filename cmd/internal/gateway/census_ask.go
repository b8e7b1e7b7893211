package gateway

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
)

// errLater says that the evaluator cannot be asked now, which is nobody's fault and
// worth nobody's attention: a gateway whose link is down keeps trying.
var errLater = errors.New("the evaluator is not asked now")

// errMore says that some was done and the rest is left for later: others wait.
var errMore = errors.New("there is more to ask")

// askAtOnce is for how long the evaluator is asked in one go.
const askAtOnce = time.Minute

func quiet(err error) bool { return errors.Is(err, errLater) }

// setState moves an epoch on, by itself.
func (d *censusDB) setState(ctx context.Context, id ledger.EpochID, s epochState) error {
	return d.inTx(ctx, func(tx *sql.Tx) error { return d.become(tx, id, s) })
}

// blind draws each presence's secrets and writes down all that the evaluator is
// going to be asked, before it is asked anything: whoever is killed then asks the
// same again, and with one blind there is one tag. Where nobody came there is a batch
// as well, of padding: that nobody did is not the evaluator's affair.
func (c *reporter) blind(ctx context.Context, e folder.Epoch) error {
	for {
		some, err := c.db.presences(e.ID, "batch < 0 ORDER BY pick LIMIT ?", census.BatchSize)
		if err != nil {
			return err
		}
		batches := 0
		if err := c.db.QueryRow("SELECT count(*) FROM batch WHERE epoch = ?", e.ID[:]).Scan(&batches); err != nil {
			return err
		}
		if len(some) == 0 && batches > 0 {
			return c.db.setState(ctx, e.ID, asking)
		}
		if err := c.blindBatch(ctx, e, some); err != nil {
			return err
		}
		if err := c.rest(ctx); err != nil {
			return err
		}
	}
}

func (c *reporter) blindBatch(ctx context.Context, e folder.Epoch, some []presence) error {
	elements := make([]census.Element, 0, census.BatchSize)
	of := make(map[census.Element]presence, len(some))
	for _, p := range some {
		var err error
		if _, err = io.ReadFull(c.Rand, p.secret[:]); err != nil {
			return err
		}
		if p.blind, err = census.NewBlind(c.Rand); err != nil {
			return err
		}
		element, err := p.blind.Element(census.Input(p.log.Community, e.ID, p.passport))
		if err != nil {
			return err
		}
		elements, of[element] = append(elements, element), p
	}
	for len(elements) < census.BatchSize {
		padding, err := census.Padding(c.Rand)
		if err != nil {
			return err
		}
		elements = append(elements, padding)
	}
	// By their bytes, which are random: the order says nothing, nor which are padding.
	slices.SortFunc(elements, func(a, b census.Element) int { return bytes.Compare(a[:], b[:]) })
	body := census.EvaluateAsk{Epoch: e.ID, Elements: elements}.Marshal()
	return c.db.inTx(ctx, func(tx *sql.Tx) error {
		var number int64
		if err := tx.QueryRow("SELECT count(*) FROM batch WHERE epoch = ?", e.ID[:]).Scan(&number); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO batch (epoch, number, body) VALUES (?, ?, ?)", e.ID[:], number, body); err != nil {
			return err
		}
		for spot, element := range elements {
			p, ok := of[element]
			if !ok {
				continue
			}
			if _, err := tx.Exec("UPDATE presence SET secret = ?, blind = ?, batch = ?, spot = ? WHERE epoch = ? AND passport = ?",
				p.secret[:], p.blind[:], number, spot, e.ID[:], int64(p.passport)); err != nil {
				return err
			}
		}
		return nil
	})
}

// askAll asks the evaluator for what it has not answered yet.
func (c *reporter) askAll(ctx context.Context, e folder.Epoch) error {
	for began := time.Now(); ; {
		var number int64
		var body []byte
		err := c.db.QueryRow("SELECT number, body FROM batch WHERE epoch = ? AND done = 0 ORDER BY number LIMIT 1", e.ID[:]).Scan(&number, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return c.db.setState(ctx, e.ID, tagged)
		}
		if err != nil {
			return err
		}
		if err := c.askBatch(ctx, e, number, body); err != nil {
			return err
		}
		if err := c.rest(ctx); err != nil {
			return err
		}
		if time.Since(began) > askAtOnce {
			return errMore
		}
	}
}

func (c *reporter) askBatch(ctx context.Context, e folder.Epoch, number int64, body []byte) error {
	const part = "census/evaluator"
	reply, err := c.request(ctx, ledger.KeyIDOf(e.Opened.Evaluator[:]), body)
	if err != nil {
		return err
	}
	answer, err := census.ParseEvaluateAnswer(reply)
	if err != nil {
		c.trouble(ctx, part, fmt.Sprintf("what the evaluator answers is none: %v", err))
		return fmt.Errorf("%w: %w", errLater, err)
	}
	switch answer.Refused {
	case "":
	case census.RefusedQuota:
		c.trouble(ctx, part, fmt.Sprintf("epoch %d: more people came than the evaluator makes tags for one gateway; whoever is left is not reported: have the next epoch opened with a higher quota", e.Opened.Number))
		return c.leaveOut(ctx, e.ID)
	default:
		c.trouble(ctx, part, fmt.Sprintf("the evaluator makes no tags of epoch %d for this gateway (%s): the node has to be registered, and its directory has to have reached the evaluator", e.Opened.Number, ledger.CleanText(answer.Refused, 40)))
		return fmt.Errorf("%w: it refuses: %s", errLater, answer.Refused)
	}
	some, err := c.db.presences(e.ID, "batch = ? ORDER BY spot", number)
	if err != nil {
		return err
	}
	spots, err := c.spots(e.ID, number)
	if err != nil {
		return err
	}
	for n := range some {
		p := &some[n]
		p.evaluation = answer.Evaluations[spots[n]]
		if p.tag, err = census.Finish(e.Opened.Key, census.Input(p.log.Community, e.ID, p.passport), p.blind, p.evaluation); err != nil {
			c.trouble(ctx, part, fmt.Sprintf("the evaluator's answer is not by the key of epoch %d: %v", e.Opened.Number, err))
			return fmt.Errorf("%w: %w", errLater, err)
		}
	}
	if err := c.db.inTx(ctx, func(tx *sql.Tx) error {
		for _, p := range some {
			if _, err := tx.Exec("UPDATE presence SET element = ?, proof = ?, tag = ? WHERE epoch = ? AND passport = ?",
				p.evaluation.Element[:], p.evaluation.Proof[:], p.tag[:], e.ID[:], int64(p.passport)); err != nil {
				return err
			}
		}
		_, err := tx.Exec("UPDATE batch SET done = 1, body = x'' WHERE epoch = ? AND number = ?", e.ID[:], number)
		return err
	}); err != nil {
		return err
	}
	c.trouble(ctx, part, "")
	return nil
}

// request asks a peer. That nobody is there, or nobody answers, is no trouble.
func (c *reporter) request(ctx context.Context, to ledger.KeyID, body []byte) ([]byte, error) {
	patient, end := context.WithTimeout(ctx, askPatience)
	defer end()
	reply, err := c.Ask(patient, to, body)
	switch {
	case err == nil || ctx.Err() != nil:
		return reply, errors.Join(err, ctx.Err())
	case errors.Is(err, peer.ErrNobody), errors.Is(err, peer.ErrNoAnswer), errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%w: %w", errLater, err)
	}
	return nil, err
}

// spots are where in a batch its presences stand, in their order.
func (c *reporter) spots(id ledger.EpochID, number int64) (out []int, err error) {
	rows, err := c.db.Query("SELECT spot FROM presence WHERE epoch = ? AND batch = ? ORDER BY spot", id[:], number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		if n < 0 || n >= census.BatchSize {
			return nil, errCensusFile
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// leaveOut reports without those whom the evaluator makes no tags for: which they
// are is chance, as the batches were.
func (c *reporter) leaveOut(ctx context.Context, id ledger.EpochID) error {
	return c.db.inTx(ctx, func(tx *sql.Tx) error {
		r, err := tx.Exec("DELETE FROM presence WHERE epoch = ? AND length(tag) = 0", id[:])
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE epoch SET left_out = left_out + ? WHERE id = ?", n, id[:]); err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE batch SET done = 1, body = x'' WHERE epoch = ?", id[:])
		return err
	})
}
