package main_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestPolicyUnderWhichItDies: a policy arrives while the daemon runs, and the
// daemon is killed twice before it has lived with it for long enough. The next one
// refuses it, says so in its log and in the door log, and lives by the policy before
// it; a kill after that is no reason to refuse that one, too.
func TestPolicyUnderWhichItDies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write("gw/gateway.toml", fmt.Sprintf(e2eWiring, newScanner(t).Path(), newScanner(t).Path()))
	s.start()
	if !strings.Contains(s.daemon.Log.String(), "policy=1") {
		t.Fatalf("the first policy is not in force:\n%s", s.daemon.Log)
	}
	s.write("policy.toml", strings.Replace(e2ePolicy, "version = 1", "version = 2", 1))
	s.tool("tombolo", "node", "policy", "sign", s.path("policy.toml"))
	s.tool("tombolo", "ledger", "export", "--kind", "node", "--out", s.path("stick"))
	s.tool("tombolo", "ledger", "import", s.path("stick"), "--dir", s.path("gw"))
	s.daemon.Says("policy=2")
	s.daemon.Says("a new policy is tried")
	s.end(syscall.SIGKILL)

	s.start()
	s.daemon.Says("policy=2") // once may be a power cut
	s.end(syscall.SIGKILL)

	s.start()
	s.daemon.Says("version 2 is refused: 2 times the gateway stopped")
	s.daemon.Says("policy=1")
	s.daemon.Says("sign a higher version")
	s.end(syscall.SIGKILL)
	s.start()
	s.daemon.Says("policy=1")
	s.end(syscall.SIGTERM)
	tried := s.tool("tombolo", "ledger", "show", "--dir", s.path("gw"), "--kind", "door", "--kind", "PolicyTried", "--json")
	if n := strings.Count(tried, "2 times the gateway stopped"); n != 1 {
		t.Errorf("the door log says so %d times: %s", n, tried)
	}

	s.write("policy.toml", strings.Replace(e2ePolicy, "version = 1", "version = 3", 1))
	s.tool("tombolo", "node", "policy", "sign", s.path("policy.toml"))
	s.tool("tombolo", "ledger", "export", "--kind", "node", "--out", s.path("stick"))
	s.tool("tombolo", "ledger", "import", s.path("stick"), "--dir", s.path("gw"))
	s.start()
	s.daemon.Says("policy=3")
	s.end(syscall.SIGTERM)
}
