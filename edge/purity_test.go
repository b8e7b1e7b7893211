package edge_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "tombolo"

// pure are the packages that open nothing, wait for nothing, log nothing and
// read no clock. Besides the list below they may import what is named here, and
// nothing else: what a library itself reaches is its own affair.
var pure = map[string][]string{
	"passport": {"crypto", "crypto/ecdsa", "crypto/elliptic", "encoding", "encoding/json", "github.com/ethereum/go-ethereum/crypto"},
	"passport/card": {"crypto", "crypto/aes", "crypto/cipher", "crypto/ecdh", "crypto/ecdsa", "crypto/ed25519", "crypto/elliptic", "crypto/hkdf",
		"github.com/ethereum/go-ethereum/crypto", "tombolo/passport"},
	"passport/card/soft": {"crypto/aes", "crypto/cipher", "crypto/ecdh", "crypto/ecdsa", "crypto/elliptic", "crypto/hkdf",
		"github.com/ethereum/go-ethereum/crypto", "math/big", "tombolo/passport", "tombolo/passport/card"},
	"passport/qr":     {"tombolo/passport"},
	"edge/access":     {"container/heap", "encoding/json", "tombolo/edge/policy", "tombolo/passport", "tombolo/sync/ledger"},
	"edge/attendance": {"tombolo/edge/policy", "tombolo/passport", "tombolo/sync/ledger"},
	"edge/door":       {},
	"edge/panel":      {"tombolo/edge/access", "tombolo/edge/door", "tombolo/edge/policy", "tombolo/passport", "tombolo/sync/ledger"},
	"edge/pin":        {"crypto/ecdh", "crypto/hpke", "crypto/subtle", "golang.org/x/crypto/argon2", "tombolo/passport"}, // but for one ephemeral key, see its doc
	"edge/policy":     {"tombolo/edge/schedule", "tombolo/edge/strict"},
	"edge/schedule":   {},
	"edge/strict":     {"encoding", "github.com/pelletier/go-toml/v2", "github.com/pelletier/go-toml/v2/unstable", "reflect"},
	"sync/replica":    {"crypto/ed25519", "golang.org/x/mod/sumdb/tlog", "tombolo/sync/ledger"},
	"sync/census": {"crypto", "crypto/ecdh", "crypto/ed25519", "crypto/hpke", "encoding", "encoding/base64", "encoding/json",
		"github.com/cloudflare/circl/group", "github.com/cloudflare/circl/oprf", "github.com/cloudflare/circl/zk/dleq",
		"golang.org/x/mod/sumdb/tlog", "tombolo/passport", "tombolo/sync/internal/cbor", "tombolo/sync/ledger"},
	"sync/internal/cbor": {"sync", "github.com/fxamacker/cbor/v2"}, // for a pool of buffers
	"sync/ledger": {"bufio", "crypto/ed25519", "encoding/base64",
		"golang.org/x/mod/sumdb/note", "golang.org/x/mod/sumdb/tlog", "tombolo/sync/internal/cbor"},
}

var pureAll = []string{
	"bytes", "cmp", "crypto/sha256", "encoding/binary", "encoding/hex", "errors", "fmt", "io", "iter", "maps", "math", "math/bits",
	"slices", "sort", "strconv", "strings", "time", "unicode/utf8",
}

// clocks are the names of package time that read a clock or wait for one.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// mayImport says, for each folder, what of this module it may import; the
// longest prefix counts. cmd imports everything, and nothing imports cmd.
var mayImport = map[string][]string{
	"passport":      {"passport"},
	"sync/internal": {},
	"sync/ledger":   {"sync/internal"},
	"sync/replica":  {"sync/ledger"},
	"sync/store":    {"sync/ledger", "sync/store"},
	"sync/census":   {"passport", "sync/internal", "sync/ledger"},
	"sync/link":     {"sync/internal", "sync/ledger", "sync/replica"},
	"sync/peer":     {"sync/ledger", "sync/link", "sync/replica", "sync/store"},
	"sync/broker":   {},
	"sync/enroll":   {"sync/internal", "sync/ledger", "sync/store"},
	"sync/hub":      {"sync", "passport"},
	"edge":          {"edge", "passport", "sync/ledger"},
	"hw":            {"passport/card"},
	"hw/adc":        {"hw/adc", "hw/internal"},
	"hw/attached":   {"hw"},
	"hw/keyboard":   {"hw/internal", "hw/scanner"},
	"hw/nfc":        {"hw/internal", "hw/nfc", "passport/card"},
	"hw/osdp":       {"hw/internal", "hw/osdp", "passport/card"},
	"hw/scanner":    {"hw/internal"},
	"firmware":      {"hw", "firmware"}, // its programs try the drivers on an emulated board
	"cmd":           {""},
}

type source struct {
	path string // of the file, from the module's root
	*ast.File
}

// sources parses every file of the module that is not a test, by folder.
func sources(t *testing.T) (map[string][]source, *token.FileSet) {
	t.Helper()
	root, err := os.Getwd()
	for ; err == nil; root = filepath.Dir(root) {
		if _, statErr := os.Stat(filepath.Join(root, "go.mod")); statErr == nil {
			break
		} else if root == filepath.Dir(root) || !errors.Is(statErr, fs.ErrNotExist) {
			err = statErr
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	all, set := map[string][]source{}, token.NewFileSet()
	tree := os.DirFS(root)
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (base == "testdata" || base == "node_modules" || len(base) > 1 && base[0] == '.'):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		all[path.Dir(name)] = append(all[path.Dir(name)], source{name, f})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, set
}

func (s source) imports() (out []string) {
	for _, i := range s.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			panic(err)
		}
		out = append(out, p)
	}
	return out
}

func TestPurity(t *testing.T) {
	t.Parallel()
	all, set := sources(t)
	for folder, extra := range pure {
		files := all[folder]
		if len(files) == 0 {
			t.Errorf("there is no package %s", folder)
		}
		for _, f := range files {
			for _, p := range f.imports() {
				if !slices.Contains(pureAll, p) && !slices.Contains(extra, p) {
					t.Errorf("%s: a pure package imports %s", f.path, p)
				}
			}
			for _, breach := range impure(f.File) {
				t.Errorf("%v: a pure package %s", set.Position(breach.at), breach.what)
			}
		}
	}
}

type breach struct {
	at   token.Pos
	what string
}

// impure finds goroutines, channels and clocks.
func impure(f *ast.File) (found []breach) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, breach{n.Pos(), "starts a goroutine"})
		case *ast.SelectStmt, *ast.ChanType:
			found = append(found, breach{n.Pos(), "waits for a channel"})
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
				found = append(found, breach{n.Pos(), "reads the clock: time." + n.Sel.Name})
			}
		case *ast.ImportSpec:
			if n.Name != nil && (n.Name.Name == "." || n.Path.Value == `"time"`) {
				found = append(found, breach{n.Pos(), "hides an import behind the name " + n.Name.Name})
			}
		}
		return true
	})
	return found
}

// TestPurityFinds: the test above is able to fail.
func TestPurityFinds(t *testing.T) {
	t.Parallel()
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
import "time"
import now "time"
import . "os"
func f() { go f(); _ = time.Now(); g := time.Since; var c chan int; select {} }
`, 0)
	if err != nil {
		t.Fatal(err)
	}
	if found := impure(f); len(found) != 7 {
		t.Errorf("found %v", found)
	}
	for _, tt := range []struct {
		from, to string
		may      bool
	}{
		{"edge", "edge/roster", true}, {"edge/door", "passport", true}, {"edge/roster", "sync/store", false}, {"edge", "hw/sim", false},
		{"hw/board", "passport", false}, {"hw/nfc", "passport/card", true}, {"hw/sim", "hw/board", false},
		{"passport", "sync/ledger", false}, {"passport/qr", "passport", true}, {"sync/store", "edge", false}, {"sync/replica", "sync/store", false}, {"sync/hub/evaluator", "sync/census", true},
		{"edge", "cmd/internal/folder", false}, {"cmd/tombolo", "sync/store", true}, {"attic", "passport", false},
	} {
		if got := may(tt.from, tt.to); got != tt.may {
			t.Errorf("%s imports %s: allowed %v", tt.from, tt.to, got)
		}
	}
}

// TestImportsRunOneWay holds every package of the module to the design.
func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	all, _ := sources(t)
	if len(all) < 10 {
		t.Fatalf("only %d packages were found", len(all))
	}
	for folder, files := range all {
		for _, f := range files {
			for _, p := range f.imports() {
				if to, ours := strings.CutPrefix(p, module+"/"); ours && !may(folder, to) {
					t.Errorf("%s imports %s", f.path, to)
				}
				if strings.HasPrefix(p, "periph.io/") && !under(folder, "hw") {
					t.Errorf("%s imports %s, which is hw's", f.path, p)
				}
			}
		}
	}
}

func may(from, to string) bool {
	best := ""
	for prefix := range mayImport {
		if under(from, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	return slices.ContainsFunc(mayImport[best], func(prefix string) bool { return under(to, prefix) }) &&
		(under(from, "cmd") || !under(to, "cmd"))
}

func under(folder, prefix string) bool {
	return prefix == "" || folder == prefix || strings.HasPrefix(folder, prefix+"/")
}
