package sim

import (
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzEvent: an event that a client takes is written so that it takes it again.
func FuzzEvent(f *testing.F) {
	for _, line := range []string{
		`{"t":"2026-03-01T12:00:00Z","relay":"front/relay","energised":true}`,
		`{"t":"2026-03-01T12:00:00Z","input":"front/contact","active":false}`,
		`{"t":"2026-03-01T12:00:00Z","channel":0,"reading":512}`,
		`{"t":"2026-03-01T12:00:00Z","channel":3,"fault":true}`,
		`{"t":"2026-03-01T12:00:00Z","reader":"front","exit":true,"steps":[{"colour":"red","beep":true,"for":"100ms"},{"for":"1.5s"}],"loop":true}`,
		`{"t":"2026-03-01T12:00:00Z","reader":"front","steps":[]}`,
		`{"t":"2026-03-01T12:00:00Z","reader":"front"}`,
		`{"t":"2026-03-01T12:00:00Z","reader":"front","steps":[{"for":"soon"}]}`,
		`{"t":"2026-03-01T12:00:00Z","relay":"a","energised":true,"input":"b","active":true,"channel":1,"reading":2,"reader":"c","steps":[]}`,
		`{"ok":true}`, `{}`, `[]`, `{"channel":3}`,
	} {
		f.Add([]byte(line))
	}
	parse := func(line []byte) (Event, bool) {
		var v eventJSON
		if json.Unmarshal(line, &v) != nil {
			return Event{}, false
		}
		e, err := v.event()
		return e, err == nil
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, ok := parse(line)
		if !ok {
			return
		}
		enc, err := json.Marshal(e)
		if err != nil {
			return // a year that JSON cannot write
		}
		if again, ok := parse(enc); !ok || !reflect.DeepEqual(e, again) {
			t.Fatalf("%s gave %+v, and %s %+v, %v", line, e, enc, again, ok)
		}
	})
}
