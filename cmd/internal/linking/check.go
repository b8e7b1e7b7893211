package linking

import (
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"time"

	"tombolo/cmd/internal/wiring"
)

// CheckOutside looks at the files of a link to an outside broker, as a connection
// would: until says when the own certificate ends. own is the key that it must be for,
// nil if that is not known, and who whose it is, as in "this gateway".
func CheckOutside(l *wiring.Link, who string, own ed25519.PublicKey, now time.Time) (until time.Time, err error) {
	authority, err := Certificates(l.CA)
	if err != nil {
		return until, fmt.Errorf("the authority of %s is not known: %w", l.Broker, err)
	}
	chain, err := Certificates(l.Cert)
	if err != nil {
		return until, fmt.Errorf("%s will not let %s in: %w; have a steward issue it", l.Broker, who, err)
	}
	if own != nil && !own.Equal(chain[0].PublicKey) {
		return until, fmt.Errorf("%s is for another key than %s's: ask for one for its own", l.Cert, who)
	}
	roots := x509.NewCertPool()
	for _, c := range authority {
		roots.AddCert(c)
	}
	if _, err = chain[0].Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return until, fmt.Errorf("%s is none that the authority stands by now: %w", l.Cert, err)
	}
	return chain[0].NotAfter, nil
}
