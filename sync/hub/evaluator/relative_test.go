package evaluator

import "testing"

// TestQuotasRelative: --data evaluator is a folder as any other.
func TestQuotasRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	q, err := openQuotas(".")
	if err != nil {
		t.Fatal(err)
	}
	if err := q.close(); err != nil {
		t.Error(err)
	}
}
