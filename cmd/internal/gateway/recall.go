package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

const (
	// PresenceFile keeps, in the gateway's folder, what the door logs say of
	// people, so that a start need not read all of them.
	PresenceFile = "presence.json"
	// rememberEvery is how often it is brought up to date.
	rememberEvery = time.Hour
	// recallKeeps is how many new entries make a start bring it up to date, too.
	recallKeeps = 20_000
	// maxPresence bounds the file. What Presence remembers is bounded, and fits.
	maxPresence = 256 << 20

	presenceFormat = 1
)

// kept is the file. It is this gateway's own and can be made again from the door
// logs; another form is another Format.
type kept struct {
	Format   int             `json:"format"`
	Sum      string          `json:"sum"`  // SHA-256 of the rest, in hexadecimal
	Logs     []keptLog       `json:"logs"` // that were folded, in their order
	Presence json.RawMessage `json:"presence"`
}

// keptLog is how much of a door log was folded.
type keptLog struct {
	Origin string `json:"origin"`
	Size   int64  `json:"size"`
	Root   string `json:"root"` // of so many entries, in hexadecimal
}

func (k kept) sum() (string, error) {
	k.Sum = ""
	text, err := json.Marshal(k)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), err
}

// memory is what was folded, and how far.
type memory struct {
	presence *access.Presence
	logs     []keptLog
	fresh    int64 // entries that were folded since it was kept
}

// recall folds this gateway's own door logs into what it remembers of people.
// There is always an answer: an error says what could not be read of the logs,
// and that what stood there is not remembered. It is a fault, and no reason to
// keep the doors shut.
func (g *Gateway) recall(self ledger.KeyID) (*access.Presence, error) {
	m, err := g.fold(context.Background(), self)
	if m.fresh >= recallKeeps && err == nil {
		if kept := g.keep(m); kept != nil {
			g.cfg.Log.Error("what is remembered of people is not kept; the next start takes longer", "err", kept)
		}
	}
	return m.presence, err
}

// remember keeps what recall folds up to date, from time to time, until ctx
// ends. It has a Presence of its own: the controller's is the controller's.
func (g *Gateway) remember(ctx context.Context) error {
	tick := time.NewTicker(rememberEvery)
	defer tick.Stop()
	for troubled := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		m, err := g.fold(ctx, g.self)
		if err == nil && m.fresh > 0 {
			err = g.keep(m)
		}
		if err != nil && ctx.Err() == nil && !troubled {
			g.cfg.Log.Error("what is remembered of people is not kept; the next start takes longer", "err", err)
		}
		troubled = err != nil
	}
}

// fold begins with what was kept, if that still holds, and goes on from there.
func (g *Gateway) fold(ctx context.Context, self ledger.KeyID) (memory, error) {
	s := g.folder.Store()
	logs, err := DoorLogs(s, self)
	m, kept := g.readKept(logs)
	if kept != nil {
		g.cfg.Log.Warn("what was remembered of people is made again from the door logs", "why", kept)
	}
	for i, l := range logs {
		from := int64(0)
		if i < len(m.logs) {
			from = m.logs[i].Size
		} else {
			m.logs = append(m.logs, keptLog{Origin: l.Origin.String()})
		}
		bad := foldLog(s, l, from, m.presence, func(done int64) error {
			g.tell(Opening{"memory of " + l.Origin.String(), done, l.Size})
			return ctx.Err()
		})
		if ctx.Err() != nil {
			return m, ctx.Err()
		}
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("%v: %w", l.Origin, bad))
		}
		m.fresh += l.Size - from
		m.logs[i].Size, m.logs[i].Root = l.Size, hex.EncodeToString(l.Root[:])
	}
	return m, err
}

// foldLog folds a door log from an entry on. One that is damaged is passed over;
// the error names the first. step is told how far it is, once a chunk, and ends
// it with an error.
func foldLog(s *store.Store, l store.Info, from int64, p *access.Presence, step func(done int64) error) (err error) {
	index := from
	for e, bad := range s.Entries(l, from, l.Size) {
		if bad != nil {
			return errors.Join(err, bad)
		}
		if index%ledger.ChunkSize == 0 {
			if ended := step(index); ended != nil {
				return ended
			}
		}
		body, bad := remembered(e, index)
		if bad != nil && err == nil {
			err = &ledger.At{First: index, Last: index, Err: bad}
		}
		if body != nil {
			p.Apply(e.Time, body)
		}
		index++
	}
	if err == nil && index < l.Size {
		err = &ledger.At{First: index, Last: l.Size - 1, Err: ledger.ErrTruncated}
	}
	return err
}

// remembered is the body of an entry that Presence takes, or nil.
func remembered(e ledger.Entry, index int64) (ledger.Body, error) {
	leaf, err := ledger.ParseLeaf(e.Leaf)
	if err != nil || !access.Remembered(leaf.Kind) {
		return nil, err
	}
	_, body, err := e.Open(ledger.DoorLog, index)
	return body, err
}

func (g *Gateway) presencePath() string { return filepath.Join(g.folder.Dir(), PresenceFile) }

// readKept is what was kept, or an empty memory: also where the logs are not
// those that it was made of any more, and the error says why.
func (g *Gateway) readKept(logs []store.Info) (memory, error) {
	none := memory{presence: access.NewPresence()}
	data, err := folder.ReadFile(g.presencePath(), maxPresence)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	var k kept
	if err == nil {
		k, err = parseKept(data)
	}
	if err == nil {
		err = g.holds(k.Logs, logs)
	}
	m := memory{presence: access.NewPresence(), logs: k.Logs}
	if err == nil {
		err = json.Unmarshal(k.Presence, m.presence)
	}
	if err != nil {
		return none, fmt.Errorf("%s: %w", PresenceFile, err)
	}
	return m, nil
}

var (
	errKept  = errors.New("the file is damaged")
	errMoved = errors.New("the door logs are not those that it was made of")
)

func parseKept(data []byte) (k kept, err error) {
	if err := json.Unmarshal(data, &k); err != nil {
		return k, fmt.Errorf("%w: %w", errKept, err)
	}
	if k.Format != presenceFormat {
		return k, fmt.Errorf("%w: format %d, and this software reads %d", errKept, k.Format, presenceFormat)
	}
	if sum, err := k.sum(); err != nil || sum != k.Sum {
		return k, fmt.Errorf("%w: its checksum is another", errKept)
	}
	return k, nil
}

// holds tells whether what was folded is the beginning of what is here: logs may
// follow, and the last may have grown.
func (g *Gateway) holds(folded []keptLog, logs []store.Info) error {
	if len(folded) > len(logs) {
		return fmt.Errorf("%w: %d were folded, and %d are here", errMoved, len(folded), len(logs))
	}
	for i, k := range folded {
		l := logs[i]
		if k.Origin != l.Origin.String() {
			return fmt.Errorf("%w: %s is not here, or came later", errMoved, k.Origin)
		}
		if k.Size < 0 || k.Size > l.Size || k.Size < l.Size && i < len(folded)-1 {
			return fmt.Errorf("%w: %d entries of %s were folded, and %d are here", errMoved, k.Size, k.Origin, l.Size)
		}
		root, err := tlog.TreeHash(k.Size, ledger.Hashes(g.folder.Store().Reader(l)))
		if err != nil {
			return err
		}
		if hex.EncodeToString(root[:]) != k.Root {
			return fmt.Errorf("%w: the %d entries of %s are others", errMoved, k.Size, k.Origin)
		}
	}
	return nil
}

// keep writes the file, at once and durably.
func (g *Gateway) keep(m memory) error {
	text, err := json.Marshal(m.presence)
	if err != nil {
		return err
	}
	k := kept{Format: presenceFormat, Logs: m.logs, Presence: text}
	if k.Sum, err = k.sum(); err != nil {
		return err
	}
	if text, err = json.Marshal(k); err != nil {
		return err
	}
	return folder.WriteFile(g.presencePath(), append(text, '\n'), 0o600)
}
