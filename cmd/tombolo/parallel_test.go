package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIssueInParallel: commands that write what follows from what they read
// take turns, so that no number goes to two owners.
func TestIssueInParallel(t *testing.T) {
	t.Setenv("TOMBOLO_GUARD", t.TempDir())
	dir := t.TempDir()
	run := func(args ...string) (string, string, int) {
		var out, errs bytes.Buffer
		e := &env{Now: time.Now, Sleep: sleep, In: strings.NewReader(""), Out: &out, Err: &errs}
		code := e.run(t.Context(), append([]string{"--dir", dir, "--json"}, args...))
		return out.String(), errs.String(), code
	}
	if _, errs, code := run("community", "new", "aurora", "--chain-id", "1", "--registry", "0x0000000000000000000000000000000000000001"); code != 0 {
		t.Fatal(errs)
	}
	const people = 8
	var all sync.WaitGroup
	var mu sync.Mutex
	numbers := map[uint64]bool{}
	for i := range people {
		all.Go(func() {
			out, errs, code := run("passport", "issue", "--owner", fmt.Sprintf("0x%040x", i+1), "--class", "resident")
			var issued struct{ Passport uint64 }
			if err := json.Unmarshal([]byte(out), &issued); code != 0 || err != nil {
				t.Errorf("exit status %d, %v: %s%s", code, err, out, errs)
			}
			mu.Lock()
			defer mu.Unlock()
			numbers[issued.Passport] = true
		})
	}
	all.Wait()
	if len(numbers) != people || !numbers[1] || !numbers[people] {
		t.Errorf("numbers %v", numbers)
	}
}
