package folder

import (
	"errors"
	"fmt"
	"io"
	"os"

	"tombolo/sync/ledger"
)

// ErrNotEnrolled marks an approval that is not for this gateway.
var ErrNotEnrolled = errors.New("the approval does not enrol this gateway")

// Enrol takes in a steward's approval on the gateway: a bundle with the charters
// of the community and the node and their ledgers. Nothing is pinned unless a
// steward of the node enrolled this folder's keys, all five. A gateway that is
// enrolled takes a newer approval of the same node as an import. It returns the
// name that the steward gave. Errors: [ErrNotEnrolled], [ErrPinned], [ErrNoKey]
// and those of Import.
func (f *Folder) Enrol(approval io.ReadSeeker) (name string, err error) {
	return f.enrol(approval, func(ledger.CharterID, ledger.CharterID) error { return nil })
}

// EnrolBy is Enrol of an approval that somebody stands for: it pins the charters
// that they named, or nothing.
func (f *Folder) EnrolBy(community, node ledger.CharterID, approval io.ReadSeeker) (name string, err error) {
	return f.enrol(approval, func(c, n ledger.CharterID) error {
		if c != community || n != node {
			return fmt.Errorf("%w: its charters are not those that the steward's tool named", ErrNotEnrolled)
		}
		return nil
	})
}

func (f *Folder) enrol(approval io.ReadSeeker, wanted func(community, node ledger.CharterID) error) (name string, err error) {
	keys, err := f.GatewayKeys()
	if err != nil {
		return "", err
	}
	name, community, node, err := f.rehearse(approval, keys)
	if err != nil {
		return "", err
	}
	if err := wanted(community, node); err != nil {
		return "", err
	}
	for _, p := range []struct {
		pin  string
		want ledger.CharterID
	}{{pinCommunity, community}, {pinNode, node}} {
		if have, err := f.pinned(p.pin); err != nil {
			return "", err
		} else if !have.IsZero() && have != p.want {
			return "", fmt.Errorf("%w: this gateway's %s is %v", ErrPinned, p.pin, have)
		}
	}
	if have, err := f.Gateway(); err != nil {
		return "", err
	} else if have != "" && have != name {
		return "", fmt.Errorf("%w: this gateway is %q, and the approval says %q", ErrPinned, have, name)
	}
	if _, err := approval.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	report, err := f.Import(approval, PinBoth, nil)
	if err != nil {
		return "", err
	}
	for _, l := range report.Ledgers {
		// A desk that knows other nodes gives their directories, too, and not their
		// charters: the links bring both.
		if l.Origin.Kind == ledger.DirectoryLog && errors.Is(l.Refused, ErrNobody) {
			continue
		}
		if l.Refused != nil {
			return "", fmt.Errorf("%v: %w", l.Origin, l.Refused)
		}
	}
	return name, f.store.Pin(pinGateway, []byte(name))
}

// rehearse imports the approval into a folder that is thrown away, and finds
// this gateway in it.
func (f *Folder) rehearse(approval io.ReadSeeker, keys ledger.GatewayKeys) (name string, community, node ledger.CharterID, err error) {
	dir, err := os.MkdirTemp("", "tombolo-enrol-*")
	if err != nil {
		return "", community, node, err
	}
	defer os.RemoveAll(dir)
	temp, err := Open(dir, true)
	if err != nil {
		return "", community, node, err
	}
	defer temp.Close()
	temp.Now = f.Now
	if _, err := temp.Import(approval, PinBoth, nil); err != nil {
		return "", community, node, err
	}
	if community, err = temp.CommunityID(); err != nil {
		return "", community, node, err
	}
	if node, err = temp.NodeID(); err != nil {
		return "", community, node, err
	}
	if node.IsZero() {
		return "", community, node, fmt.Errorf("%w: it has no node's charter", ErrNotEnrolled)
	}
	all, err := temp.Gateways()
	if err != nil {
		return "", community, node, err
	}
	for _, g := range all {
		switch {
		case g.Keys.Signing != keys.Signing:
		case !g.Active():
			return "", community, node, fmt.Errorf("%w: a steward removed it (%s); begin a new folder with `tombolod init`", ErrNotEnrolled, g.Why)
		case g.Keys != keys:
			return "", community, node, fmt.Errorf("%w: it names other keys beside the signing key", ErrNotEnrolled)
		default:
			return g.Name, community, node, nil
		}
	}
	return "", community, node, fmt.Errorf("%w: no steward enrolled the signing key %s; take this gateway's own %s to a steward", ErrNotEnrolled, Fingerprint(keys.Signing), RequestFile)
}

// Fingerprint is a public key's id as people compare it: eight groups of four
// hexadecimal digits.
func Fingerprint(pub [32]byte) string {
	s := ledger.KeyIDOf(pub[:]).String()
	out := s[:4]
	for i := 4; i < len(s); i += 4 {
		out += " " + s[i:i+4]
	}
	return out
}
