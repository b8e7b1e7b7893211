package evaluator

import (
	"errors"
	"testing"
)

func TestTermMalformed(t *testing.T) {
	t.Parallel()
	e := newWorld(t).open()
	for name, c := range map[string]Term{
		"nothing":                 {},
		"epoch 0":                 {0, 1, 2, start * 2},
		"opens before 1970":       {1, -1, 2, start * 2},
		"closes when it opens":    {1, start, start, start * 2},
		"closes before it opens":  {1, start, start - 1, start * 2},
		"no audit":                {1, start, start + 1, start + 1},
		"audit before the close":  {1, start, start + 5, start + 4},
		"audit before it opens":   {1, start, start + 5, start - 4},
		"all times are one":       {1, start, start, start},
		"audited before the term": {1, 5, 4, 3},
	} {
		if _, err := e.Offer(c); !errors.Is(err, ErrTerm) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
