package main

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/cli"
	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/hub/evaluator"
	"tombolo/sync/ledger"
)

// epochsFolder is the evaluator's own below its folder: secret keys, one a file.
const epochsFolder = "epochs"

// keysOf opens the keys of an evaluator's folder, for a command.
func (e *env) keysOf(do func(*evaluator.Evaluator) error) error {
	f, err := folder.Open(e.dir, false)
	if err != nil {
		return e.noFolder(err)
	}
	f.Now = e.Now
	k, err := openKeys(f, &evaluator.Config{Rights: f.Rights, Epochs: func() ([]ledger.EpochOpened, error) { return epochsOf(f) }, Now: e.Now})
	if err == nil {
		err = errors.Join(do(k), k.Close())
	}
	return errors.Join(err, f.Close())
}

// openKeys completes a configuration by what the folder says.
func openKeys(f *folder.Folder, cfg *evaluator.Config) (*evaluator.Evaluator, error) {
	var err error
	if cfg.Author, err = f.Key(folder.EvaluatorKey); err != nil {
		return nil, fmt.Errorf("this is no evaluator's folder: %w", err)
	}
	if cfg.Community, err = f.CommunityID(); err != nil {
		return nil, err
	}
	cfg.Dir = filepath.Join(f.Dir(), epochsFolder)
	return evaluator.Open(*cfg)
}

// epochsOf are the bodies of those that count.
func epochsOf(f *folder.Folder) ([]ledger.EpochOpened, error) {
	all, err := f.Epochs()
	if err != nil {
		return nil, err
	}
	out := make([]ledger.EpochOpened, 0, len(all))
	for _, x := range all {
		out = append(out, *x.Opened)
	}
	return out, nil
}

func (e *env) evaluatorKey() *cobra.Command {
	var t evaluator.Term
	var opens, closes, audit moment
	var out string
	c := verb("key", "Make an epoch's key, or find it, and write the offer of it that an issuer opens the epoch with", func(c *cobra.Command, _ []string) error {
		for _, name := range []string{"number", "opens", "closes", "audit"} {
			if !c.Flags().Changed(name) {
				return usage("%s: --%s is missing", c.CommandPath(), name)
			}
		}
		t.Opens, t.Closes, t.Audit = int64(opens), int64(closes), int64(audit)
		if err := t.Check(); err != nil {
			return usageError{Err: err}
		}
		return e.keysOf(func(k *evaluator.Evaluator) error {
			o, err := k.Offer(t)
			if err != nil {
				return err
			}
			if out == "" {
				out = fmt.Sprintf("epoch-%d.offer", t.Number)
			}
			if err := folder.WriteFile(out, o.Marshal(), 0o644); err != nil {
				return err
			}
			return e.print(struct {
				File string `json:"file"`
				Key  string `json:"key"`
			}{out, hex.EncodeToString(o.Key[:])}, "%s: take it to an issuer, for\n`tombolo census open --number %d --opens %v --closes %v --audit %v --offer %s …`\n", out, t.Number, &opens, &closes, &audit, out)
		})
	})
	c.Long = "An issuer whose desk reaches the evaluator asks for it by `tombolo census open`, and needs no file."
	c.Example = "  tombolo-hub evaluator key --number 7 --opens 2027-01-01 --closes 2027-02-01 --audit 2027-04-01 --out epoch7.offer"
	c.Flags().Uint64Var(&t.Number, "number", 0, "`number` of the epoch, from 1")
	c.Flags().Var(&opens, "opens", "when it opens: 2027-01-01 (UTC), RFC 3339 or Unix seconds")
	c.Flags().Var(&closes, "closes", "when it closes")
	c.Flags().Var(&audit, "audit", "until when it is audited; then the key goes")
	c.Flags().StringVar(&out, "out", "", "`file` for the offer, which is no secret (default epoch-NUMBER.offer here)")
	return c
}

// keyRow is a key in a list.
type keyRow struct {
	Number uint64    `json:"number"`
	Opens  time.Time `json:"opens"`
	Closes time.Time `json:"closes"`
	Audit  time.Time `json:"audit"`
	Key    string    `json:"key"`
	Gone   bool      `json:"gone"`
}

func (e *env) evaluatorKeys() *cobra.Command {
	return verb("keys", "List the keys of epochs, and those that are gone", func(*cobra.Command, []string) error {
		return e.keysOf(func(k *evaluator.Evaluator) error {
			all, err := k.Keys()
			if err != nil {
				return err
			}
			if len(all) == 0 && !e.json {
				_, err := io.WriteString(e.Out, "No key was made yet.\n")
				return err
			}
			slices.SortStableFunc(all, func(a, b evaluator.Held) int { return cmp.Compare(a.Opens, b.Opens) })
			for _, h := range all {
				row := rowOf(h)
				text := "until " + row.Audit.Format(time.RFC3339)
				if h.Gone {
					text = "gone for good"
				}
				if err := e.print(row, "epoch %d, %s to %s: %s, %s\n", row.Number, row.Opens.Format(time.RFC3339), row.Closes.Format(time.RFC3339), row.Key, text); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (e *env) evaluatorForget() *cobra.Command {
	var yes bool
	c := verb("forget KEY", "Destroy an epoch's key before its time, for good: nothing of that epoch can be evaluated again", func(c *cobra.Command, args []string) error {
		b, err := hex.DecodeString(args[0])
		if err != nil || len(b) != len(census.PublicKey{}) {
			return usage("%s: want a public key of 64 hexadecimal digits, as `tombolo-hub evaluator keys` lists them", c.CommandPath())
		}
		if err := cli.Confirm(e.In, e.Err, yes, "After this nobody can evaluate anything of that epoch: what has not been reported is lost to it."); err != nil {
			return err
		}
		return e.keysOf(func(k *evaluator.Evaluator) error {
			if err := k.ForgetKey(census.PublicKey(b)); err != nil {
				return err
			}
			return e.print(struct {
				Key  string `json:"key"`
				Gone bool   `json:"gone"`
			}{args[0], true}, "%s is gone. Whoever copied the folder before may still have it.\n", args[0])
		})
	})
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// moment is a time on a command line, in Unix seconds.
type moment int64

func (m *moment) String() string {
	if *m == 0 {
		return ""
	}
	return time.Unix(int64(*m), 0).UTC().Format(time.RFC3339)
}

func (m *moment) Set(s string) error {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		*m = moment(n)
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && t.Unix() >= 0 {
			*m = moment(t.Unix())
			return nil
		}
	}
	return errors.New("want 2027-01-01, 2027-01-01T12:00:00+01:00 or Unix seconds")
}

func (*moment) Type() string { return "time" }
