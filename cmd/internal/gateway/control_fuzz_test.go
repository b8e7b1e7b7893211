package gateway

import (
	"encoding/json"
	"errors"
	"testing"
)

// FuzzRequest: whatever is asked on the control socket is a request whole, or
// refused as none; what is taken says the same when it is asked again.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`{"do":"status"}`, `{"do":"osdp list"}`, `{"do":"osdp install","place":{"bus":"wall","address":3},"window":60000000000}`,
		`{"do":"status"}{}`, `{"do":"status","door":"front"}`, `[]`, ``, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var r, again Request
		if err := decodeLine(line, &r); err != nil {
			if !errors.Is(err, errRequest) {
				t.Errorf("%q: %v", line, err)
			}
			return
		}
		text, err := json.Marshal(r)
		if err == nil {
			err = decodeLine(text, &again)
		}
		if err != nil || again != r || asked(line) != r.Do {
			t.Errorf("%q: %+v came back as %+v: %v", line, r, again, err)
		}
	})
}
