package firmware_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestUnits has systemd itself read the units: a key that it does not know would be
// a line in a log, and a sandbox that is open.
func TestUnits(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Fatal("systemd-analyze is missing: apt-get install --no-install-recommends systemd")
	}
	names, err := filepath.Glob("*.service")
	if err != nil || len(names) != 3 {
		t.Fatalf("units: %q, %v", names, err)
	}
	for _, name := range names {
		u := readUnit(t, name)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		program, _, _ := strings.Cut(u.one(t, "ExecStart"), " ")
		installed := filepath.Join(t.TempDir(), name)
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
		// pcscd and the service manager over a socket; a gateway's links, too.
		if got := u.one(t, "RestrictAddressFamilies"); got != "AF_UNIX AF_INET AF_INET6" || u["IPAddressDeny"] != nil {
			t.Errorf("%s: RestrictAddressFamilies=%s, IPAddressDeny=%q", name, got, u["IPAddressDeny"])
		}
		analyze("verify", "--man=no")
		analyze("security", "--offline=yes", "--no-pager", "--threshold=20") // an exposure of 2.0 of 10
		if mode := u.one(t, "StateDirectoryMode"); u.one(t, "Type") != "notify" || mode != "0700" || u.one(t, "UMask") != "0077" {
			t.Errorf("%s: others read its keys, or nobody hears of its end", name)
		}
	}
}

// TestGatewaysUnit reaches the devices that the rules give away.
func TestGatewaysUnit(t *testing.T) {
	t.Parallel()
	u := readUnit(t, "tombolod.service")
	// The groups by which 60-tombolo.rules gives devices away are the service's.
	groups := append(strings.Fields(u.one(t, "SupplementaryGroups")), u.one(t, "Group"))
	for _, rule := range udevRules(t) {
		for _, tok := range rule {
			if tok.key == "GROUP" && !slices.Contains(groups, tok.value) {
				t.Errorf("60-tombolo.rules: the service is not in the group %s: %v", tok.value, groups)
			}
		}
	}
}

// TestServicesUnits: hub and evaluator need a network and no device, have nothing in
// common, and the gateway's sandbox is theirs, too.
func TestServicesUnits(t *testing.T) {
	t.Parallel()
	gateway, hub, evaluator := readUnit(t, "tombolod.service"), readUnit(t, "tombolo-hub.service"), readUnit(t, "tombolo-evaluator.service")
	sandbox := []string{"CapabilityBoundingSet", "DevicePolicy", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "PrivateMounts", "PrivateTmp",
		"ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc",
		"ProtectSystem", "RemoveIPC", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "SystemCallArchitectures", "SystemCallErrorNumber"}
	for name, u := range map[string]unit{"tombolo-hub": hub, "tombolo-evaluator": evaluator} {
		for _, key := range sandbox {
			if got, want := u.one(t, key), gateway.one(t, key); got != want {
				t.Errorf("%s: %s=%s, and the gateway's is %s", name, key, got, want)
			}
		}
		if got := strings.Join(u["SystemCallFilter"], " "); got != "@system-service ~@privileged @resources" {
			t.Errorf("%s: SystemCallFilter=%s", name, got)
		}
		if u.one(t, "PrivateDevices") != "yes" || u["DeviceAllow"] != nil || u["SupplementaryGroups"] != nil {
			t.Errorf("%s: it reaches devices", name)
		}
		for _, key := range []string{"User", "Group", "StateDirectory"} {
			if got := u.one(t, key); got != name {
				t.Errorf("%s: %s=%s", name, key, got)
			}
		}
		if after := strings.Fields(u.one(t, "After")); !slices.Contains(after, "time-sync.target") {
			t.Errorf("%s starts whatever the clock says: After=%v", name, after)
		}
	}
	if dir := hub.one(t, "RuntimeDirectory"); hub.one(t, "RuntimeDirectoryPreserve") != "yes" || !slices.Contains(hub["Environment"], "TOMBOLO_GUARD=%t/"+dir) {
		t.Error("the hub's guard does not outlive the service")
	}
	if n, err := strconv.Atoi(hub.one(t, "LimitNOFILE")); err != nil || n < 2*16384 {
		t.Errorf("LimitNOFILE=%d, and the broker takes 16,384 connections", n)
	}
	// What a key's deletion does not reach.
	if evaluator.one(t, "LimitCORE") != "0" || evaluator.one(t, "MemorySwapMax") != "0" {
		t.Error("an epoch's key may get onto a disk")
	}
	if !slices.Contains(strings.Fields(evaluator.one(t, "Wants")), "time-sync.target") || evaluator.one(t, "SocketBindDeny") != "any" {
		t.Error("the evaluator listens, or does not ask for the time")
	}
}

// TestPolkit runs the rule as polkit does, in JavaScript.
func TestPolkit(t *testing.T) {
	t.Parallel()
	rule, err := os.ReadFile("tombolo-pcsc.rules")
	if err != nil {
		t.Fatal(err)
	}
	user := readUnit(t, "tombolod.service").one(t, "User")
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
