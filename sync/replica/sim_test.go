package replica_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	simSeed  = flag.Uint64("sim.seed", 0, "run only the simulated world of this seed, and print what happens in it")
	simSeeds = flag.Int("sim.seeds", 0, "how many simulated worlds to run; 0: as many as -sim.for allows")
	simFor   = flag.Duration("sim.for", 20*time.Second, "how long to run simulated worlds")
	simAll   = flag.Bool("sim.all", false, "go on after a world that failed")
	simFrom  = flag.Uint64("sim.from", 1, "the first seed")
)

// simEvents is how long each world's story is.
const simEvents = 520

// simOnFiles: one world in so many has package store's files for its disks.
const simOnFiles = 16

// TestSimulation runs the archipelago in virtual time, over brokers that lose,
// repeat, reorder, delay, alter and replay, with hosts that crash, disks that are
// restored from backups and clocks that jump. After each step checks that know
// nothing of the code derive again what has to hold; in the end everything is
// mended, and all have to become equal. A failure names its seed.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		w, err := simulate(*simSeed, simDirectory(t), true)
		for _, line := range w.trail {
			fmt.Println(line)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	tally := &simTally{counts: map[string]int{}, met: map[string]int{}}
	var next atomic.Uint64
	next.Store(*simFrom)
	var failed atomic.Bool
	until := time.Now().Add(*simFor)
	t.Run("worlds", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				dir := simDirectory(t)
				for !failed.Load() {
					seed := next.Add(1) - 1
					if *simSeeds > 0 && seed >= *simFrom+uint64(*simSeeds) || *simSeeds == 0 && time.Now().After(until) {
						return
					}
					w, err := simulate(seed, dir, false)
					if err != nil {
						t.Error(err)
						failed.Store(!*simAll)
						continue
					}
					tally.add(w)
				}
			})
		}
	})
	if !failed.Load() {
		tally.report(t)
	}
}

// simTally is what worlds have seen.
type simTally struct {
	mu             sync.Mutex
	worlds         int
	counts, met    map[string]int
	healed         time.Duration
	heaviest, idle int
	messages       int
}

func (a *simTally) add(w *simWorld) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.worlds++
	for what, n := range w.counts {
		a.counts[what] += n
		a.met[what]++
	}
	a.healed, a.heaviest, a.idle = max(a.healed, w.healed), max(a.heaviest, w.heaviest), max(a.idle, w.idle)
	a.messages += w.messages
}

func (a *simTally) report(t *testing.T) {
	t.Logf("%d worlds of %d events and %d messages each; healed after %v at the latest; at most %d things remembered, %d messages in %v of silence",
		a.worlds, simEvents, a.messages/max(1, a.worlds), a.healed, a.heaviest, a.idle, simIdle)
	names := make([]string, 0, len(a.counts))
	for what := range a.counts {
		names = append(names, what)
	}
	slices.Sort(names)
	for _, what := range names {
		t.Logf("%-32s %6.1f a world, in %3d%% of them", what, float64(a.counts[what])/float64(a.worlds), 100*a.met[what]/a.worlds)
	}
	if a.worlds < 20 {
		return // too few for shares
	}
	for _, what := range simFaults {
		if a.met[what]*10 < a.worlds*9 {
			t.Errorf("%s: in %d of %d worlds, want 90%%", what, a.met[what], a.worlds)
		}
	}
	for _, what := range []string{"removal", "retirement", "clone", "conviction", "acknowledgement", "at home", "grant", "denial", "blame", "forgery", "replay", "flood"} {
		if a.counts[what] == 0 {
			t.Errorf("no world has any %s", what)
		}
	}
}

// simulate lives one world; the error says what does not hold, and how to see it
// again.
func simulate(seed uint64, dir string, trace bool) (w *simWorld, err error) {
	w = &simWorld{}
	rosters, err := newSimRosters(simMust(os.MkdirTemp(dir, "rosters")))
	if err != nil {
		return w, err
	}
	defer func() {
		if e := rosters.close(); err == nil {
			err = e
		}
	}()
	files := ""
	if seed%simOnFiles == 0 {
		files = simMust(os.MkdirTemp(dir, "files"))
	}
	w = newSimWorld(seed, rosters, files)
	w.trace = trace
	defer w.close()
	event := 0
	defer func() {
		switch f := recover().(type) {
		case nil:
		case simFailure:
			w.noteStatus()
			err = fmt.Errorf("seed %d, event %d (go test ./sync/replica -run TestSimulation -sim.seed=%d):\n%s", seed, event, seed, f)
		default:
			panic(fmt.Sprintf("seed %d, event %d: %v\n%s\n%s", seed, event, f, strings.Join(w.trail[max(0, len(w.trail)-20):], "\n"), simStack()))
		}
	}()
	w.draw()
	w.begin()
	for ; event < simEvents; event++ {
		w.event(event, simEvents)
		if event%25 == 0 {
			w.checkAll()
		}
	}
	w.heal()
	return w, nil
}

func simStack() string {
	b := make([]byte, 1<<14)
	return string(b[:runtime.Stack(b, false)])
}

// draw decides what is rare.
func (w *simWorld) draw() {
	w.hostile = w.percent(75)
	w.removeAt, w.retireAt, w.cloneAt = -1, -1, -1
	if w.percent(40) {
		w.removeAt = 100 + w.IntN(300)
	}
	if w.percent(40) {
		w.retireAt = 100 + w.IntN(300)
	}
	if w.percent(30) {
		w.cloneAt = 100 + w.IntN(300)
	}
}

// simDirectory is where rosters are kept: in memory where there is a file system
// for that.
func simDirectory(t *testing.T) string {
	if fi, err := os.Stat("/dev/shm"); err == nil && fi.IsDir() {
		if dir, err := os.MkdirTemp("/dev/shm", "tombolo-sim"); err == nil {
			t.Cleanup(func() { os.RemoveAll(dir) })
			return dir
		}
	}
	return filepath.Clean(t.TempDir())
}
