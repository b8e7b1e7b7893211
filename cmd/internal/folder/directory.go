package folder

import (
	"tombolo/sync/ledger"
)

// Listed tells whether the node's directory names a gateway, by its signing key,
// and has not withdrawn it.
func (f *Folder) Listed(signing [32]byte) (listed bool, err error) {
	for r, err := range f.Counted(ledger.DirectoryLog) {
		if err != nil {
			return false, err
		}
		switch b := r.Body.(type) {
		case *ledger.DirectoryKeys:
			listed = listed || b.Keys.Signing == signing
		case *ledger.DirectoryGone:
			if b.Signing == signing {
				return false, nil // for good: removed gateways come back with other keys
			}
		}
	}
	return listed, nil
}
