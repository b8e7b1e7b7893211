package gateway

import (
	"crypto/ecdh"
	"sync"

	"tombolo/edge/access"
	"tombolo/edge/pin"
	"tombolo/edge/roster"
	"tombolo/passport"
)

// pins checks what is typed against the boxes that stewards sealed for this
// gateway. One at a time: each check takes the memory that its hash asks for.
type pins struct {
	roster *roster.Roster
	key    *ecdh.PrivateKey
	whose  pin.Context // but for the passport

	mu sync.Mutex
}

// Check is edge.Pins'.
func (p *pins) Check(who passport.ID, typed string) (access.Pin, error) {
	sealed, ok, err := p.roster.Pin(who)
	if err != nil || !ok {
		return access.PinMissing, err
	}
	whose := p.whose
	whose.Passport = who
	secret, err := pin.Open(p.key, sealed, whose)
	if err != nil {
		return access.PinMissing, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch secret.Check(typed) {
	case pin.Right:
		return access.PinRight, nil
	case pin.Duress:
		return access.PinDuress, nil
	}
	return access.PinWrong, nil
}
