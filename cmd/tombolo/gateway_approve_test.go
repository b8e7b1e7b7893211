package main

import (
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

// TestAmong: who asks to be enrolled takes nobody's name and nobody's key.
func TestAmong(t *testing.T) {
	t.Parallel()
	keys := func(n byte) ledger.GatewayKeys {
		return ledger.GatewayKeys{Signing: [32]byte{n, 1}, Hold: [32]byte{n, 2}, Witness: [32]byte{n, 3}, Sealing: [32]byte{n, 4}, TLS: [32]byte{n, 5}}
	}
	all := []folder.Gateway{{Name: "front", Keys: keys(1)}, {Name: "back", Keys: keys(2), Removed: time.Unix(1, 0), Why: "stolen"}}
	with := func(change func(*ledger.GatewayKeys)) folder.Request {
		k := keys(3)
		change(&k)
		return folder.Request{Gateway: "side", Keys: k}
	}
	for what, c := range map[string]struct {
		request folder.Request
		is, bad bool
	}{
		"itself":                    {folder.Request{Gateway: "front", Keys: keys(1)}, true, false},
		"a new one":                 {with(func(*ledger.GatewayKeys) {}), false, false},
		"a removed one's name":      {folder.Request{Gateway: "back", Keys: keys(3)}, false, false},
		"one that was removed":      {folder.Request{Gateway: "back", Keys: keys(2)}, false, true},
		"another's name":            {folder.Request{Gateway: "front", Keys: keys(3)}, false, true},
		"itself by another name":    {folder.Request{Gateway: "side", Keys: keys(1)}, false, true},
		"another's TLS key":         {with(func(k *ledger.GatewayKeys) { k.TLS = keys(1).TLS }), false, true},
		"another's hold key":        {with(func(k *ledger.GatewayKeys) { k.Hold = keys(1).Hold }), false, true},
		"another's in another role": {with(func(k *ledger.GatewayKeys) { k.Witness = keys(1).Signing }), false, true},
		"a removed one's TLS key":   {with(func(k *ledger.GatewayKeys) { k.TLS = keys(2).TLS }), false, true},
	} {
		if is, err := among(all, c.request); is != c.is || (err != nil) != c.bad {
			t.Errorf("%s: %v, %v", what, is, err)
		}
	}
}
