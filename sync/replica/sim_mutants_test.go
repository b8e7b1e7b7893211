//go:build soak

package replica_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var simMutantSeeds = flag.Int("sim.mutant-seeds", 200, "worlds in which a mutant has to be noticed")

// TestSimMutants shows that TestSimulation notices what it is there for. Each
// patch under testdata/mutants/sync is one wrong line in sync/replica or
// sync/ledger; its first line says what breaks. With any of them the simulation
// has to fail by one of its checks within 200 worlds, and without them it has to
// pass. A patch that does not apply any more fails.
func TestSimMutants(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	patches, err := filepath.Glob("../../testdata/mutants/sync/*.patch")
	if err != nil || len(patches) < 20 {
		t.Fatalf("%d mutants (%v), want at least 20", len(patches), err)
	}
	if out, err := simulated(t, root, nil); err != nil {
		t.Fatalf("the simulation fails without any mutant: %v\n%s", err, out)
	}
	for _, patch := range patches {
		t.Run(strings.TrimSuffix(filepath.Base(patch), ".patch"), func(t *testing.T) {
			out, err := simulated(t, root, simMutant(t, root, patch))
			switch {
			case err == nil:
				t.Error("the simulation does not notice")
			case !strings.Contains(out, "-sim.seed=") || strings.Contains(out, "panic:"):
				t.Errorf("the simulation fails, but by none of its checks: %v\n%s", err, out)
			default:
				t.Log(simNoticed(out))
			}
		})
	}
}

// simMutant applies a patch to a copy of the one file that it changes, and returns
// what go build's overlay has in that file's place.
func simMutant(t *testing.T, root, patch string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(patch)
	if err != nil {
		t.Fatal(err)
	}
	target := regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)$`).FindAllSubmatch(text, -1)
	if len(target) != 1 {
		t.Fatalf("%s changes %d files, not one", patch, len(target))
	}
	name := filepath.FromSlash(string(target[0][1]))
	source, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copied := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, source, 0o600); err != nil {
		t.Fatal(err)
	}
	full, err := filepath.Abs(patch)
	if err != nil {
		t.Fatal(err)
	}
	apply := exec.Command("git", "apply", full)
	apply.Dir = dir
	apply.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir)) // no repository of ours
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%s does not apply any more; make it again: %v\n%s", patch, err, out)
	}
	return map[string]string{filepath.Join(root, name): copied}
}

// simulated runs TestSimulation with some files replaced.
func simulated(t *testing.T, root string, replace map[string]string) (string, error) {
	t.Helper()
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("go", "test", "-count=1", "-timeout", "30m", "-overlay", file, "-run", "^TestSimulation$",
		"./sync/replica", fmt.Sprintf("-sim.seeds=%d", *simMutantSeeds))
	run.Dir = root
	out, err := run.CombinedOutput()
	return string(out), err
}

// simNoticed is the check that failed first.
func simNoticed(out string) string {
	_, after, _ := strings.Cut(out, "seed ")
	line, rest, _ := strings.Cut(after, "\n")
	seed, _, _ := strings.Cut(line, " (")
	what, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	return "seed " + seed + ": " + what
}
