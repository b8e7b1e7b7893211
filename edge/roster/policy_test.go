package roster_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"tombolo/sync/ledger"
)

// TestPolicy: the highest version wins, then the lowest hash; one that this
// version cannot use is a problem and leaves the one in force, through a
// restart too.
func TestPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer()
	steward := w.steward()
	path := filepath.Join(t.TempDir(), "roster.db")
	r := w.openAt(path)
	inForce := func(what string, version uint64, problems int) {
		t.Helper()
		w.arriveAll()
		for range 2 { // as it runs, and opened anew
			v := w.project(r)
			if v.Policy == nil || v.Policy.Version != version || len(v.Problems) != problems {
				t.Errorf("%s: policy %+v, problems %v", what, v.Policy, v.Problems)
			}
			r = w.openAt(path)
		}
	}
	steward.write(policyEntry(2, ""))
	inForce("the first", 2, 0)
	steward.write(policyEntry(1, ""))
	inForce("an older one", 2, 0)
	steward.write(&ledger.Policy{Version: 3, File: []byte("version = 3\nnew_key = true\n")})
	inForce("one of newer software", 2, 1)
	steward.write(&ledger.Policy{Version: 4, File: fmt.Appendf(nil, policyText, 4, "other", "")})
	inForce("one for another node", 2, 2)
	steward.write(&ledger.Policy{Version: 5, File: fmt.Appendf(nil, policyText, 6, "casa", "")})
	inForce("one that says another version than its entry", 2, 3)
	steward.write(&ledger.Policy{Version: 1 << 63, File: fmt.Appendf(nil, policyText, 6, "casa", "")})
	inForce("one beyond what any file can say", 2, 3)
	steward.write(policyEntry(7, ""))
	inForce("the next", 7, 0)
	a, b := policyEntry(8, "a"), policyEntry(8, "b")
	steward.write(a, b)
	inForce("two of one version", 8, 0)
	w.project(r)
	x := r.View().Policy
	other := newWorld(t)
	other.issuer()
	s := other.steward()
	s.write(b, a)
	other.arriveAll()
	r2 := other.open()
	if v := other.project(r2); v.Policy.Hash() != x.Hash() {
		t.Error("of two policies of one version the order decides")
	}
}
