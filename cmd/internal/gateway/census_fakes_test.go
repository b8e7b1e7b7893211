package gateway

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"tombolo/sync/census"
)

var another = yes(census.NewKey(rand.Reader))

// swapped is an answer whose evaluations stand elsewhere.
func swapped(b []byte) []byte {
	a := yes(census.ParseEvaluateAnswer(b))
	for n := range len(a.Evaluations) / 2 {
		a.Evaluations[n], a.Evaluations[len(a.Evaluations)-1-n] = a.Evaluations[len(a.Evaluations)-1-n], a.Evaluations[n]
	}
	return a.Marshal()
}

func refuses(why string) func(*islet, []byte) ([]byte, error) {
	return func(*islet, []byte) ([]byte, error) { return census.EvaluateAnswer{Refused: why}.Marshal(), nil }
}

// copyAll copies a folder as it lies on a disk.
func copyAll(t *testing.T, from, to string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(from), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, name), 0o700))
		}
		b, err := os.ReadFile(filepath.Join(from, name))
		return errors.Join(err, os.WriteFile(filepath.Join(to, name), b, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// readDatabase is all that an SQLite file has on disk.
func readDatabase(t *testing.T, dir, name string) (all []byte) {
	t.Helper()
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name+end))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if len(all) == 0 {
		t.Fatal("there is no file")
	}
	return all
}

func isError(err, want error) bool { return errors.Is(err, want) }
