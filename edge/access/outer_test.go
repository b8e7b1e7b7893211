package access_test

import (
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/policy"
)

// TestOuterZones: a door that leads into several zones asks what each of them asks,
// the one behind it first.
func TestOuterZones(t *testing.T) {
	t.Parallel()
	hard := &policy.Zone{Name: "hard", Antipassback: policy.AntipassbackHard}
	soft := &policy.Zone{Name: "soft", Antipassback: policy.AntipassbackSoft}
	timed := &policy.Zone{Name: "timed", Antipassback: policy.AntipassbackTimed, AntipassbackTime: time.Minute}
	few := &policy.Zone{Name: "few", Occupancy: 1}
	for _, tt := range []struct {
		name  string
		to    *policy.Zone
		a     access.Around
		outer []access.Place
		want  access.Reason
	}{
		{"none", few, access.Around{Entered: -1}, nil, access.None},
		{"not inside", few, access.Around{}, []access.Place{{Zone: hard, Entered: -1}}, access.None},
		{"hard", few, access.Around{}, []access.Place{{Zone: hard, Inside: true}}, access.Passback},
		{"soft refuses nobody", few, access.Around{}, []access.Place{{Zone: soft, Inside: true}}, access.None},
		{"timed", few, access.Around{}, []access.Place{{Zone: timed, Entered: time.Second}}, access.PassbackTimed},
		{"timed, over", few, access.Around{}, []access.Place{{Zone: timed, Entered: time.Minute}}, access.None},
		{"full", hard, access.Around{}, []access.Place{{Zone: few, Full: true}}, access.ZoneFull},
		{"full of those who do not count", few, access.Around{}, []access.Place{{Zone: hard, Full: true}}, access.None},
		{"the one behind the door first", few, access.Around{Full: true}, []access.Place{{Zone: hard, Inside: true}}, access.ZoneFull},
		{"the outermost", few, access.Around{}, []access.Place{{Zone: soft, Inside: true}, {Zone: hard, Inside: true}}, access.Passback},
		{"then the interlock", few, access.Around{PartnerOpen: true}, []access.Place{{Zone: hard}}, access.Interlock},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := access.View{
				Basis: &access.Basis{Policy: &policy.Policy{Zones: map[string]*policy.Zone{tt.to.Name: tt.to}}},
				Door:  &policy.Door{To: tt.to.Name}, Around: tt.a,
			}
			v.Around.Outer = tt.outer
			if got := access.Zone(v); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
