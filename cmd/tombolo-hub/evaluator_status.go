package main

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/hub/evaluator"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// evaluatorStatus is what an evaluator's folder holds. It is shown as JSON: names of
// fields stay as they are, and new ones may follow.
type evaluatorStatus struct {
	Evaluator string       `json:"evaluator"` // key id
	Named     bool         `json:"named"`     // by the charter
	Running   bool         `json:"running"`
	Gateways  int          `json:"gateways"` // that may ask
	Nodes     int          `json:"nodes"`    // whose they are
	Epochs    []askedEpoch `json:"epochs"`
}

// askedEpoch is a key and who had what evaluated by it.
type askedEpoch struct {
	keyRow
	Opened bool     `json:"opened"` // an issuer opened an epoch with it, as far as is known here
	Quota  uint32   `json:"quota"`  // of a gateway
	Asked  []askRow `json:"asked"`  // the most first
}

type askRow struct {
	Gateway  string `json:"gateway"` // key id
	Name     string `json:"name,omitempty"`
	Node     string `json:"node,omitempty"`
	Elements int64  `json:"elements"` // in whole batches
}

func (e *env) evaluatorStatus() *cobra.Command {
	c := verb("status", "Show whether it runs, its keys, and how much of its quota each gateway has used", func(*cobra.Command, []string) error {
		s, err := e.evaluatorNow()
		if err != nil {
			return err
		}
		return e.print(s, "%s", s)
	})
	c.Long = "A node has one gateway ask, for those who came there. One that asks for far more than its steward says, or two of one node, may be\nsomebody's who has a gateway's key: that shows here and nowhere else."
	return c
}

func (e *env) evaluatorNow() (s evaluatorStatus, err error) {
	f, err := folder.Open(e.dir, false)
	if err != nil {
		return s, e.noFolder(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	f.Now = e.Now
	rights, err := f.Rights()
	if err != nil {
		return s, err
	}
	community, err := f.Community()
	if err != nil {
		return s, err
	}
	epochs, err := epochsOf(f)
	if err != nil {
		return s, err
	}
	k, err := openKeys(f, &evaluator.Config{Rights: f.Rights, Epochs: func() ([]ledger.EpochOpened, error) { return epochs, nil }, Now: e.Now})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	key, err := f.Public(folder.EvaluatorKey)
	if err != nil {
		return s, err
	}
	s = evaluatorStatus{Evaluator: ledger.KeyIDOf(key[:]).String(), Named: inForce(community, ledger.Evaluator, key), Epochs: []askedEpoch{}}
	s.Gateways, s.Nodes = mayReport(rights)
	if s.Running, err = daemonRuns(f.Dir()); err != nil {
		return s, err
	}
	all, err := k.Keys()
	if err != nil {
		return s, err
	}
	slices.SortStableFunc(all, func(a, b evaluator.Held) int { return cmp.Compare(a.Opens, b.Opens) })
	for _, h := range all {
		row := askedEpoch{keyRow: rowOf(h), Asked: []askRow{}}
		for _, o := range epochs {
			if o.Key == h.Public {
				row.Opened, row.Quota = true, o.Quota
			}
		}
		shares, err := k.Shares(h.Public)
		if err != nil {
			return s, err
		}
		for _, x := range shares {
			row.Asked = append(row.Asked, askRow{x.Gateway.String(), rights.Authors[x.Gateway].Name, slugOf(f, rights, x.Gateway), x.Elements})
		}
		s.Epochs = append(s.Epochs, row)
	}
	return s, nil
}

// slugOf is the name of a gateway's node, "" if it is not known.
func slugOf(f *folder.Folder, rights replica.Rights, gateway replica.Peer) string {
	chain, err := f.Store().Charters(rights.Authors[gateway].Charter[ledger.ReportLog])
	if err != nil || chain.Len() == 0 {
		return ""
	}
	return chain.Latest().Slug
}

// daemonRuns tells whether a daemon has the folder.
func daemonRuns(dir string) (bool, error) {
	unlock, err := folder.Lock(dir, folder.DaemonLock, false)
	if errors.Is(err, folder.ErrLocked) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, unlock()
}

// String is the status for people.
func (s evaluatorStatus) String() string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s "+format+"\n", append([]any{label}, args...)...)
	}
	state, named := "not running: start it with `tombolo-hub evaluator run` (systemctl start tombolo-evaluator)", "named by the charter"
	if s.Running {
		state = "running"
	}
	if !s.Named {
		named = "NOT named by the charter in force here: nobody heeds it"
	}
	line("state", "%s", state)
	line("evaluator", "%s, %s", s.Evaluator, named)
	line("gateways", "%s of %s may ask", count(s.Gateways, "gateway", "gateways"), count(s.Nodes, "registered node", "registered nodes"))
	if len(s.Epochs) == 0 {
		line("keys", "none was made yet")
	}
	for _, x := range s.Epochs {
		end := "until " + x.Audit.Format(time.RFC3339)
		switch {
		case x.Gone:
			end = "gone for good"
		case !x.Opened:
			end += ", and no issuer has opened an epoch with it, as far as is known here"
		}
		line("epoch", "%d, %s to %s: key %s…, %s", x.Number, x.Opens.Format(time.RFC3339), x.Closes.Format(time.RFC3339), x.Key[:16], end)
		for _, a := range x.Asked {
			line("", "%s asked for %d of %d", cmp.Or(strings.Trim(a.Node+"/"+a.Name, "/"), a.Gateway), a.Elements, x.Quota)
		}
	}
	return b.String()
}

func rowOf(h evaluator.Held) keyRow {
	return keyRow{h.Number, time.Unix(h.Opens, 0).UTC(), time.Unix(h.Closes, 0).UTC(), time.Unix(h.Audit, 0).UTC(), hex.EncodeToString(h.Public[:]), h.Gone}
}
