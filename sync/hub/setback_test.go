package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/store"
)

// daemon is a hub that takes part over the sea, and has taken back what it had
// published.
func (s *sea) daemon(st *store.Store) (h *Hub, stop func()) {
	w := s.w
	cfg := w.config(st)
	cfg.Links = []link.Config{linkTo(s.listen, s.broker.Password(), "hub", w.id())}
	h = must(New(cfg))
	h.patience = time.Second
	return h, w.run(h)
}

// TestSetBack: a store that lacks a close which gateways have closes nothing by a
// command before a daemon has taken it back; then there is the one close.
func TestSetBack(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprint(d.name, " first ", first), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, d, 1)
				w.hub.patience = time.Second
				s := w.sea()
				g := s.gateway(0)
				var stop func()
				w.hub, stop = s.daemon(w.store)
				if !first { // the census ledger is in the backup, and not all of it
					e := w.epoch(7)
					w.append(w.issuer(), e)
					w.closeIt(e)
				}
				e := w.opened()
				w.report(g, w.reportOf(0, e.ID(), lines(0, 50, 0), 10)...)
				w.arrived(20*time.Second, g)
				file := filepath.Join(t.TempDir(), "backup")
				w.ok(w.store.Backup(t.Context(), file))
				closed, _ := w.closeIt(e)
				eventually(t, 20*time.Second, func() error {
					for _, i := range must(g.store.Ledgers()) {
						if i.Origin.Kind == ledger.CensusLog && i.Size >= must(w.store.Ledger(i.Origin)).Size {
							return nil
						}
					}
					return errors.New("the gateway has not heard of the close")
				})
				stop()

				w.store = must(openPlace(d.make(t)))
				t.Cleanup(func() { w.store.Close() })
				w.ok(store.Restore(t.Context(), file, w.store))
				// What came since would make another list.
				w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 60, 0), 10)...)
				w.hub = must(New(w.config(w.store)))
				if _, err := w.hub.Close(t.Context(), e.ID(), nil); !errors.Is(err, ErrSetBack) {
					t.Errorf("a command closes: %v", err)
				}
				if _, err := w.hub.Draw(t.Context(), e.ID(), [32]byte{1}, e.Beacon); !errors.Is(err, ErrSetBack) {
					t.Errorf("a command draws: %v", err)
				}
				_, stop = s.daemon(w.store)
				eventually(t, 30*time.Second, func() error {
					again, err := w.hub.Close(context.Background(), e.ID(), nil)
					if errors.Is(err, ErrLost) || err == nil && again == closed {
						return nil
					}
					return fmt.Errorf("%+v, %w\n%s", again, err, w.logs)
				})
				if n := w.closedEntries(e.ID()); n != 1 {
					t.Errorf("it was closed %d times", n)
				}
				stop()
				// And what follows is not refused.
				next := w.epoch(8)
				w.append(w.issuer(), next)
				w.closeIt(next)
			})
		}
	}
}

// TestRebooted: after a reboot nobody knows whether the disk is as it was; a command
// waits for the daemon.
func TestRebooted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	first, second := w.epoch(1), w.epoch(2)
	w.append(w.issuer(), first, second)
	w.closeIt(first)
	w.ok(os.RemoveAll(filepath.Join(w.dir, "guard-hub")))
	if _, err := w.hub.Close(t.Context(), second.ID(), nil); !errors.Is(err, ErrSetBack) {
		t.Errorf("a command closes: %v", err)
	}
	_, stop := w.sea().daemon(w.store)
	eventually(t, 20*time.Second, func() error {
		_, err := w.hub.Close(t.Context(), second.ID(), nil)
		return err
	})
	stop()
	if a, b := w.closedEntries(first.ID()), w.closedEntries(second.ID()); a != 1 || b != 1 {
		t.Errorf("closed %d and %d times", a, b)
	}
}

// TestClockAhead: a clock alone does not close an epoch.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	e := w.epoch(1)
	e.Closes, e.Audit = time.Now().Unix()+7200, time.Now().Unix()+86400*60
	copy(e.Offer[:], signOffer(w, e))
	w.append(w.issuer(), e)
	w.append(w.reporter(0), everyday("hall", 30, 30))
	w.at = time.Unix(e.Closes, 0).Add(24 * time.Hour)
	cfg := w.config(w.store)
	cfg.Grace = time.Hour
	w.hub = must(New(cfg))
	w.run(w.hub)
	eventually(t, 10*time.Second, func() error {
		if !strings.Contains(w.logs.String(), "is this machine's clock right") {
			return errors.New(w.logs.String())
		}
		return nil
	})
	if n := w.closedEntries(e.ID()); n != 0 {
		t.Errorf("it was closed %d times", n)
	}
}
