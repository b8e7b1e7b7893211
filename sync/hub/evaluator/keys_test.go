package evaluator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/sync/census"
)

func (w *world) keyFile(t Term) string { return filepath.Join(w.dir, keysFolder, t.name()+keySuffix) }

// secretOf is the secret half of a key's file, as text and as bytes.
func (w *world) secretOf(t Term) (text string, raw []byte) {
	w.t.Helper()
	_, key, err := readFile(w.keyFile(t), false)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("%x", key.Marshal()), key.Marshal()
}

// gone checks that no file of the folder has a secret any more.
func (w *world) gone(text string, raw []byte) {
	w.t.Helper()
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, raw) || strings.Contains(string(b), text) {
			w.t.Errorf("%s still has the key", path)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	opened := w.opened(e, term1, 1000)
	w.at(start + 10)
	b := w.batch(opened.ID(), 1, 3)
	if a := w.evaluate(e, w.gateway, b.ask); a.Refused != "" {
		t.Fatal(a.Refused)
	}
	other := w.open() // another process on the folder
	if a := w.evaluate(other, w.gateway, b.ask); a.Refused != "" {
		t.Fatal(a.Refused)
	}
	text, raw := w.secretOf(term1)
	for range 2 { // what is gone stays gone
		if err := e.Forget(opened.ID()); err != nil {
			t.Fatal(err)
		}
	}
	w.gone(text, raw)
	for name, e := range map[string]*Evaluator{"this": e, "another": other, "a later": w.open()} {
		if a := w.evaluate(e, w.gateway, b.ask); a.Refused != census.RefusedOver || len(a.Evaluations) > 0 {
			t.Errorf("%s process: %q, %d evaluations", name, a.Refused, len(a.Evaluations))
		}
		if a := w.offer(e, w.issuer, term1); a.Refused != census.RefusedOver {
			t.Errorf("%s process offers the key anew: %q", name, a.Refused)
		}
		if _, err := e.Offer(term1); !errors.Is(err, ErrOver) {
			t.Errorf("%s process: %v", name, err)
		}
	}
	var rows int
	if err := e.quotas.db.QueryRow("SELECT (SELECT count(*) FROM share) + (SELECT count(*) FROM batch)").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows say who asked (%v)", rows, err)
	}
	if err := e.Forget([32]byte{1}); !errors.Is(err, ErrNoKey) {
		t.Errorf("an epoch of nobody's: %v", err)
	}
	if err := e.ForgetKey(census.PublicKey{1}); !errors.Is(err, ErrNoKey) {
		t.Errorf("a key of nobody's: %v", err)
	}
}

// TestForgotten: at the end of its audit a key goes by itself: beside a running
// evaluator, when one is opened, and when somebody asks.
func TestForgotten(t *testing.T) {
	t.Parallel()
	for name, meet := range map[string]func(*world, *Evaluator){
		"opened": func(w *world, _ *Evaluator) { w.open() },
		"asked": func(w *world, e *Evaluator) {
			if a := w.evaluate(e, w.gateway, w.batch(w.epochs[0].ID(), 1, 1).ask); a.Refused != census.RefusedOver {
				w.t.Errorf("%q", a.Refused)
			}
		},
		"running": func(w *world, e *Evaluator) {
			ctx, end := context.WithCancel(w.t.Context())
			done := make(chan error)
			go func() { done <- e.Run(ctx) }()
			for until := time.Now().Add(20 * time.Second); e.Stats().Forgotten == 0 && time.Now().Before(until); {
				time.Sleep(5 * time.Millisecond)
			}
			end()
			if err := <-done; err != nil {
				w.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.open()
			w.opened(e, term1, 1000)
			text, raw := w.secretOf(term1)
			w.at(term1.Audit - 1)
			w.open()
			if _, err := os.Stat(w.keyFile(term1)); err != nil {
				t.Fatalf("it went a second early: %v", err)
			}
			w.at(term1.Audit)
			meet(w, e)
			w.gone(text, raw)
			if a := w.offer(e, w.issuer, term1); a.Refused != census.RefusedOver {
				t.Errorf("offered anew: %q", a.Refused)
			}
		})
	}
}

// TestRest is how long a running evaluator waits for the next end.
func TestRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	if d := e.rest(); d != 10*time.Second {
		t.Errorf("without a key: %v", d)
	}
	if _, err := e.Offer(term1); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int64]time.Duration{start: 10 * time.Second, term1.Audit - 3: 3 * time.Second, term1.Audit + 5: 50 * time.Millisecond} {
		w.at(at)
		if d := e.rest(); d != want {
			t.Errorf("%d s before the end: %v, want %v", term1.Audit-at, d, want)
		}
	}
}

// TestHalfForgotten: a crash anywhere while a key is forgotten leaves what the next
// start finishes.
func TestHalfForgotten(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]func(*world, census.PublicKey) error{
		"the tombstone is there": func(w *world, pk census.PublicKey) error {
			return writeFile(filepath.Join(w.dir, keysFolder, term1.name()+goneSuffix), goneText(pk))
		},
		"half of it is overwritten": func(w *world, pk census.PublicKey) error {
			err := writeFile(filepath.Join(w.dir, keysFolder, term1.name()+goneSuffix), goneText(pk))
			f, bad := os.OpenFile(w.keyFile(term1), os.O_WRONLY, 0)
			if err = errors.Join(err, bad); err != nil {
				return err
			}
			_, err = f.WriteAt(make([]byte, 100), 0)
			return errors.Join(err, f.Close())
		},
		"it is overwritten and there": func(w *world, pk census.PublicKey) error {
			err := writeFile(filepath.Join(w.dir, keysFolder, term1.name()+goneSuffix), goneText(pk))
			return errors.Join(err, os.WriteFile(w.keyFile(term1), make([]byte, 200), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.open()
			opened := w.opened(e, term1, 1000)
			w.at(start + 1)
			text, raw := w.secretOf(term1)
			if err := crash(w, census.PublicKey(opened.Key)); err != nil {
				t.Fatal(err)
			}
			if a := w.evaluate(e, w.gateway, w.batch(opened.ID(), 1, 1).ask); a.Refused != census.RefusedOver {
				t.Errorf("before the next start: %q", a.Refused)
			}
			again := w.open()
			w.gone(text, raw)
			if _, err := os.Stat(w.keyFile(term1)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("its file: %v", err)
			}
			if a := w.evaluate(again, w.gateway, w.batch(opened.ID(), 1, 1).ask); a.Refused != census.RefusedOver {
				t.Errorf("after it: %q", a.Refused)
			}
		})
	}
}

// TestHalfMade: a crash while a key is made leaves no secret lying about.
func TestHalfMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.open()
	left := filepath.Join(w.dir, keysFolder, tempPrefix+"123")
	if err := os.WriteFile(left, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.open()
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	// Files as they would be, without a sync for each.
	_, key, err := parseFile([]byte(keyFileVector), false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxKeys {
		other := Term{uint64(i + 2), start, start + 1, start + 5000}
		if err := os.WriteFile(w.keyFile(other), keyText(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Offer(term1); !errors.Is(err, ErrTooMany) {
		t.Errorf("%v", err)
	}
	if a := w.offer(e, w.issuer, term1); a.Refused != census.RefusedQuota {
		t.Errorf("%q", a.Refused)
	}
	if o, err := e.Offer(Term{2, start, start + 1, start + 5000}); err != nil || o.Key != key.Public() {
		t.Errorf("one that is there: %v", err)
	}
}

// TestReadable: keys that others may read are refused, and so is a folder.
func TestReadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	w.opened(e, term1, 1000)
	for path, mode := range map[string]os.FileMode{w.keyFile(term1): 0o640, filepath.Join(w.dir, keysFolder): 0o755} {
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(w.config()); !errors.Is(err, ErrKeyOpen) {
			t.Errorf("%s: %v", path, err)
		}
		if err := os.Chmod(path, before.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	w.open()
	if info, err := os.Stat(w.keyFile(term1)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// keyFileVector is the key's file of the scalar 2: the public key is twice the
// generator of ristretto255 (RFC 9496 appendix A.1, B[2]).
const keyFileVector = `tombolo evaluator key 1
public 6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919
secret 0200000000000000000000000000000000000000000000000000000000000000
`

func TestParseFile(t *testing.T) {
	t.Parallel()
	pk, key, err := parseFile([]byte(keyFileVector), false)
	if err != nil || key.Public() != pk || string(keyText(key)) != keyFileVector {
		t.Fatalf("%v", err)
	}
	if again, _, err := parseFile(goneText(pk), true); err != nil || again != pk {
		t.Errorf("a tombstone: %v", err)
	}
	line := strings.SplitAfter(keyFileVector, "\n")
	for name, text := range map[string]string{
		"nothing":                "",
		"too long":               keyFileVector + strings.Repeat("x", maxKeyFile),
		"another version":        strings.Replace(keyFileVector, "key 1", "key 2", 1),
		"no end of line":         strings.TrimSuffix(keyFileVector, "\n"),
		"one more line":          keyFileVector + "\n",
		"without a secret":       line[0] + line[1],
		"lines in another order": line[0] + line[2] + line[1],
		"upper case":             strings.Replace(keyFileVector, "6a49", "6A49", 1),
		"CR LF":                  strings.ReplaceAll(keyFileVector, "\n", "\r\n"),
		"a short key":            strings.Replace(keyFileVector, "public 6a", "public ", 1),
		"another public key":     strings.Replace(keyFileVector, "secret 02", "secret 03", 1),
		"the secret 0":           strings.Replace(keyFileVector, "secret 02", "secret 00", 1),
		"not canonical":          line[0] + line[1] + "secret " + strings.Repeat("ff", 32) + "\n",
		"a tombstone":            string(goneText(pk)),
		"blank":                  string(make([]byte, len(keyFileVector))),
	} {
		if _, _, err := parseFile([]byte(text), false); !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFolderMalformed(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"no name of a term":   "keys.txt",
		"epoch 0":             "0-1-2-3.key",
		"another spelling":    "01-1-2-3.key",
		"times out of order":  "1-3-2-4.key",
		"five numbers":        "1-1-2-3-4.key",
		"a sign":              "1-+1-2-3.key",
		"larger than 64 bits": "1-1-2-99999999999999999999.key",
		"without an ending":   "1-1-2-3",
		"two endings":         "1-1-2-3.key.gone",
		"a word":              "one-1-2-3.gone",
	} {
		w := newWorld(t)
		w.open()
		if err := os.WriteFile(filepath.Join(w.dir, keysFolder, file), []byte(keyFileVector), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(w.config()); !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s (%s): %v", name, file, err)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(keyFileVector), false)
	f.Add([]byte(strings.Join(strings.SplitAfter(keyFileVector, "\n")[:2], "")), true)
	f.Fuzz(func(t *testing.T, text []byte, gone bool) {
		pk, key, err := parseFile(text, gone)
		if err != nil {
			return
		}
		again := goneText(pk)
		if !gone {
			again = keyText(key)
		}
		if !bytes.Equal(again, text) {
			t.Errorf("%q reads as %q", text, again)
		}
	})
}
