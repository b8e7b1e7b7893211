package replica_test

import (
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3" // the rosters' files are emptied beside them

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simRosters are the roster files that one worker uses again and again: opening
// one takes longer than all else that a world does with it.
type simRosters struct {
	dir   string
	live  []*simRoster  // of each gateway
	fresh [2]*simRoster // for projections in another order
}

// simRoster is a roster whose source changes.
type simRoster struct {
	*roster.Roster
	src roster.Source
	db  *sql.DB
}

func (r *simRoster) Charters(id ledger.CharterID) (ledger.Charters, error) { return r.src.Charters(id) }
func (r *simRoster) Ledgers() ([]roster.Ledger, error)                     { return r.src.Ledgers() }

func newSimRosters(dir string) (*simRosters, error) {
	c := simCastOnce()
	all := &simRosters{dir: dir}
	for i, g := range c.gateways {
		r, err := openSimRoster(filepath.Join(dir, fmt.Sprint("live", i)), g.node, g.keys.Signing)
		if err != nil {
			return nil, err
		}
		all.live = append(all.live, r)
	}
	for i := range all.fresh {
		r, err := openSimRoster(filepath.Join(dir, fmt.Sprint("fresh", i)), i, [32]byte{})
		if err != nil {
			return nil, err
		}
		all.fresh[i] = r
	}
	return all, nil
}

func openSimRoster(path string, node int, gateway [32]byte) (*simRoster, error) {
	c := simCastOnce()
	r := &simRoster{}
	var err error
	if r.Roster, err = roster.Open(roster.Config{Path: path, Source: r, Community: c.community.ID(), Node: c.nodes[node].ID(), Gateway: gateway}); err != nil {
		return nil, err
	}
	r.db, err = sql.Open("sqlite3", path+"?_busy_timeout=5000&_synchronous=OFF")
	return r, err
}

func (all *simRosters) close() error {
	var errs []error
	for _, r := range append(all.live, all.fresh[:]...) {
		errs = append(errs, r.db.Close(), r.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(all.dir))...)
}

// empty makes it a roster that never projected anything.
func (r *simRoster) empty() {
	tx := simMust(r.db.Begin())
	for _, table := range []string{"charters", "cursor", "holder", "claim", "doorkey", "revoked", "home", "policy",
		"lockdown", "bar", "pass", "pass_ended", "forgiven", "pin", "removed", "notice", "fork"} {
		simMust(tx.Exec("DELETE FROM " + table))
	}
	if err := tx.Commit(); err != nil {
		panic(err)
	}
}

// simDoorway is a gateway's roster and doors.
type simDoorway struct {
	h     *simHost
	r     *simRoster
	dirty bool
	model *simModel
}

func (w *simWorld) doorway(h *simHost) *simDoorway {
	d := &simDoorway{h: h, r: w.rosters.live[h.number]}
	d.r.src = simSource{h: h}
	d.lost()
	return d
}

// lost is what becomes of a roster whose folder is gone: it is made again.
func (d *simDoorway) lost() {
	d.r.empty()
	d.dirty, d.model = true, newSimModel(d.h)
}

// simSource shows a roster what a host holds, or the beginning of it.
type simSource struct {
	h    *simHost
	upTo map[ledger.Origin]ledger.Head // nil: all
}

func (s simSource) Charters(id ledger.CharterID) (ledger.Charters, error) {
	return s.h.disk.charters(id), nil
}

func (s simSource) Ledgers() (all []roster.Ledger, err error) {
	convicted := map[ledger.Origin]bool{}
	for _, f := range s.h.disk.forks() {
		if a, _, err := f.Heads(); err == nil {
			convicted[a.Origin] = true
		}
	}
	for _, l := range s.h.disk.held() {
		o, head := l.head.Origin, l.head
		if s.upTo != nil {
			if head = s.upTo[o]; head.Size == 0 {
				continue
			}
		}
		all = append(all, roster.Ledger{
			Head: head, Seen: l.seen, Generation: l.generation, Charter: l.charter, Forked: convicted[o],
			Entries: func(lo, hi int64) iter.Seq2[ledger.Entry, error] {
				return func(yield func(ledger.Entry, error) bool) {
					for _, e := range s.h.disk.entries(o, lo, min(hi, head.Size)) {
						if !yield(e, nil) {
							return
						}
					}
				}
			},
			Root: func(size int64) (tlog.Hash, error) {
				var t ledger.Tree
				for _, e := range s.h.disk.entries(o, 0, size) {
					t.Append(e.Leaf, nil)
				}
				return t.Root(), nil
			},
		})
	}
	return all, nil
}

// trusted is the gateway's clock, which it believes unless an author has signed
// something later.
func (d *simDoorway) trusted() access.Clock {
	c := access.Clock{Now: d.h.clock(), Trust: access.TrustNTP}
	if !d.r.View().Believes(c.Now) {
		c.Trust = access.TrustUnknown
	}
	return c
}

func (d *simDoorway) project() {
	if !d.dirty {
		return
	}
	view, err := d.r.Project(d.trusted())
	d.h.w.require(err == nil, "%s cannot project: %v", d.h.name, err)
	d.dirty = false
	d.model.project(view)
	d.h.w.count("projection")
}

// tap lets everybody try every door, both ways.
func (d *simDoorway) tap() {
	w, view := d.h.w, d.r.View()
	clock := d.trusted()
	for _, person := range w.cast.people {
		for _, key := range person.keys {
			holder, err := d.r.ByKey(key.id)
			w.require(err == nil, "%s: %v", d.h.name, err)
			for _, name := range d.h.doors {
				at := access.View{
					Node: passport.NodeID(w.cast.nodes[d.h.node].ID()), Basis: &view.Basis, Name: name,
					Clock: clock, RosterAge: view.Age(clock.Now),
				}
				if view.Policy != nil {
					at.Door = view.Policy.Doors[name]
				}
				in := access.Decide(clock.Now, holder, access.Presentation{Mode: passport.ModeTap}, at)
				out := access.Decide(clock.Now, holder, access.Presentation{Mode: passport.ModeTap, Exit: true}, at)
				w.require(out.Granted(), "%s keeps %d in at %s: %v", d.h.name, person.number, name, out.Reason)
				d.model.judge(person, key, name, clock, in)
				w.count("tap")
				if in.Granted() {
					w.count("grant")
				} else {
					w.count("denial")
				}
			}
		}
	}
}
