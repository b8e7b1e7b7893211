package policy_test

import (
	"fmt"

	"tombolo/edge/policy"
)

func ExampleParse() {
	_, err := policy.Parse("policy.toml", []byte(`version = 4
node = "casa"
[zones.street]
outside = true
[zones.house]
[doors.front]
gateway = "gw1"
from = "sreet"
to = "house"
strike = "fast"
mechanical_exit = true
`))
	fmt.Println(err)
	// Output:
	// policy.toml:8:8: doors.front.from: unknown zone "sreet"; did you mean "street"?
	// policy.toml:10:10: doors.front.strike: want a duration such as "5s", from 1s to 255s, got "fast"
}
