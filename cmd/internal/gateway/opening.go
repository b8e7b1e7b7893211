package gateway

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/sync/ledger"
)

// Opening is a sign of life from Open, and says how far it has come: what it
// works at, and how much of it is done, of entries or of a file's bytes.
type Opening struct {
	What     string
	Done, Of int64 // 0 of 0 where nothing is counted
}

// tell says how far Open has come, and nothing once it is over: the roster and
// the memory of people go on after it, on other goroutines.
func (g *Gateway) tell(o Opening) {
	if g.opening != nil {
		g.opening(o)
	}
}

func silent(Opening) {}

// ErrUnenrolled says that no steward has approved the gateway yet.
var ErrUnenrolled = errors.New("this gateway is not enrolled")

// enrolled is the gateway's name; an approval that lies in the folder enrols it,
// and then fresh is true.
func enrolled(f *folder.Folder, told func(Opening)) (name string, fresh bool, err error) {
	name, err = f.Gateway()
	if err != nil || name != "" {
		return name, false, err
	}
	path := filepath.Join(f.Dir(), ApprovalFile)
	approval, err := folder.OpenFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", false, fmt.Errorf("%w: take %s to a steward, who answers with `tombolo gateway approve`; put the answer at %s",
			ErrUnenrolled, filepath.Join(f.Dir(), folder.RequestFile), path)
	}
	if err != nil {
		return "", false, err
	}
	defer approval.Close()
	info, err := approval.Stat()
	if err != nil {
		return "", false, err
	}
	if name, err = f.Enrol(toldReader{approval, ApprovalFile, info.Size(), told}); err != nil {
		return "", false, fmt.Errorf("%s: %w", path, err)
	}
	return name, true, nil
}

// openRoster opens the roster. accept is for whoever lives by it, see roster.Trial.
func openRoster(f *folder.Folder, told func(Opening), accept func(*policy.Policy) error) (*roster.Roster, error) {
	community, err := f.CommunityID()
	if err != nil {
		return nil, err
	}
	node, err := f.NodeID()
	if err != nil {
		return nil, err
	}
	own, err := f.Public(folder.SigningKey)
	if err != nil {
		return nil, err
	}
	return roster.Open(roster.Config{
		Path: filepath.Join(f.Dir(), RosterFile), Source: toldSource{source{f.Store()}, told}, Community: community, Node: node, Gateway: own, Accept: accept,
	})
}

// toldSource is a source that tells what is asked of it.
type toldSource struct {
	roster.Source
	told func(Opening)
}

func (s toldSource) Ledgers() ([]roster.Ledger, error) {
	all, err := s.Source.Ledgers()
	for i := range all {
		head, entries := all[i].Head, all[i].Entries
		what := "roster from " + head.Origin.String()
		all[i].Entries = func(lo, hi int64) iter.Seq2[ledger.Entry, error] {
			s.told(Opening{what, lo, head.Size})
			return entries(lo, hi)
		}
	}
	return all, err
}

// toldReader is a file that tells how far it is read.
type toldReader struct {
	io.ReadSeeker
	what string
	size int64
	told func(Opening)
}

func (r toldReader) Read(b []byte) (int, error) {
	n, err := r.ReadSeeker.Read(b)
	if at, bad := r.Seek(0, io.SeekCurrent); bad == nil {
		r.told(Opening{r.what, at, r.size})
	}
	return n, err
}
