package passport

// What the tests of the package's own bytes look at.
var (
	SignedDigest       = signedDigest
	DelegationTypeHash = delegationTypeHash
	RevocationTypeHash = revocationTypeHash
)

// Separator is the domain's hashStruct.
func (d Domain) Separator() [32]byte { return newTypedHash().separator(d) }

// Order is the curve's order.
func (c Curve) Order() [32]byte { return order[c].n }

// Keccak is keccak256.
func Keccak(b []byte) [32]byte { return keccak(string(b)) }

// UncompressedPoint is 04 ‖ X ‖ Y.
func UncompressedPoint(k Key) ([65]byte, error) { return uncompress(k.Kind, k.Point[:]) }
