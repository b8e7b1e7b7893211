package qemu

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/gokrazy/kernel.rpi" // pins the kernel in go.mod
)

// BuildConfig says what to compile for the guest.
type BuildConfig struct {
	Package string // import path of a main package
	// Cgo links C code statically; without it the program is pure Go.
	Cgo  bool
	Tags string
}

// Build compiles a static arm64 program and gives its path, valid until the
// test ends.
func Build(tb testing.TB, cfg BuildConfig) string {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), path.Base(cfg.Package))
	args := []string{"build", "-trimpath", "-o", out, "-tags", cfg.Tags}
	env := []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0", "GOFLAGS="}
	if cfg.Cgo {
		const cc = "aarch64-linux-gnu-gcc"
		if _, err := exec.LookPath(cc); err != nil {
			tb.Fatal(cc + " is missing: apt-get install --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross")
		}
		env = append(env, "CGO_ENABLED=1", "CC="+cc)
		args = append(args, "-ldflags", `-linkmode external -extldflags "-static"`)
	}
	run(tb, env, "go", append(args, cfg.Package)...)
	return out
}

// kernel gives the path of a file of the kernel's module: vmlinuz, or a device
// tree.
func kernel(tb testing.TB, name string) string {
	tb.Helper()
	dir := run(tb, nil, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/gokrazy/kernel.rpi")
	return filepath.Join(dir, name)
}

func run(tb testing.TB, env []string, name string, args ...string) string {
	tb.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}
