package firmware_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestUnit has systemd itself read the unit: a key that it does not know would
// be a line in a log, and a sandbox that is open.
func TestUnit(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze is missing: apt-get install --no-install-recommends systemd")
	}
	text, err := os.ReadFile("tombolod.service")
	if err != nil {
		t.Fatal(err)
	}
	u := readUnit(t)
	program, _, _ := strings.Cut(u.one(t, "ExecStart"), " ")
	installed := filepath.Join(t.TempDir(), "tombolod.service")
	// It looks whether the program is there.
	if err := os.WriteFile(installed, []byte(strings.ReplaceAll(string(text), program, "/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	analyze := func(args ...string) {
		t.Helper()
		out, err := exec.Command("systemd-analyze", append(args, installed)...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(out) != 0 {
			t.Errorf("systemd-analyze %v: %v\n%s", args, err, out)
		}
	}
	analyze("verify", "--man=no")
	analyze("security", "--offline=yes", "--no-pager", "--threshold=20") // an exposure of 2.0 of 10

	// The groups by which 60-tombolo.rules gives devices away are the service's.
	groups := append(strings.Fields(u.one(t, "SupplementaryGroups")), u.one(t, "Group"))
	for _, rule := range udevRules(t) {
		for _, tok := range rule {
			if tok.key == "GROUP" && !slices.Contains(groups, tok.value) {
				t.Errorf("60-tombolo.rules: the service is not in the group %s: %v", tok.value, groups)
			}
		}
	}
	// pcscd is reached over a socket, and nothing else of the network is.
	if got := u.one(t, "RestrictAddressFamilies"); got != "AF_UNIX" {
		t.Errorf("RestrictAddressFamilies=%s", got)
	}
}

// TestPolkit runs the rule as polkit does, in JavaScript.
func TestPolkit(t *testing.T) {
	t.Parallel()
	rule, err := os.ReadFile("tombolo-pcsc.rules")
	if err != nil {
		t.Fatal(err)
	}
	user := readUnit(t).one(t, "User")
	const world = `
		const rules = [];
		const polkit = { Result: { YES: "yes" }, addRule: (f) => rules.push(f) };
	`
	const ask = `
		const [, user] = process.argv;
		for (const who of [user, "root", "pi", "tombolo2", ""])
			for (const id of ["org.debian.pcsc-lite.access_pcsc", "org.debian.pcsc-lite.access_card", "org.debian.pcsc-lite", "org.freedesktop.login1.power-off"])
				for (const rule of rules) console.log(who, id, rule({ id }, { user: who }) ?? "unhandled");
	`
	out, err := exec.Command("node", "-e", world+string(rule)+ask, user).CombinedOutput()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	var yes []string
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, line := range lines {
		if granted, ok := strings.CutSuffix(line, " yes"); ok {
			yes = append(yes, granted)
		}
	}
	want := []string{user + " org.debian.pcsc-lite.access_pcsc", user + " org.debian.pcsc-lite.access_card"}
	if len(lines) != 20 || !slices.Equal(yes, want) {
		t.Errorf("of %d questions these are granted: %q, want %q", len(lines), yes, want)
	}
}

// TestCommandLine: the setting stands there for both drivers, and for nothing
// else.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	got := strings.Fields(commandLine(t))
	want := []string{"pinctrl_bcm2835.persist_gpio_outputs=n", "pinctrl_rp1.persist_gpio_outputs=n"}
	if !slices.Equal(got, want) {
		t.Errorf("cmdline.txt adds %q, want %q", got, want)
	}
}
