package passport_test

import (
	"crypto/sha256"
	"fmt"
	"log"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
)

// A wallet lets a phone's key speak for passport 17 at one node; the phone shows
// a code for a door; a gateway of the node checks both, without a network.
func Example() {
	wallet, err := crypto.ToECDSA([]byte("a wallet's key, of 32 bytes, 0000"[:32]))
	if err != nil {
		log.Fatal(err)
	}
	phone, err := passport.GenerateSoftKey(passport.KindPhone, source(1)) // crypto/rand.Reader, elsewhere
	if err != nil {
		log.Fatal(err)
	}
	community := passport.CommunityID(sha256.Sum256([]byte("the community's first charter")))
	node := passport.NodeID(sha256.Sum256([]byte("the node's first charter")))
	registry := passport.Domain{ChainID: 1, Registry: [20]byte{0xaa}}

	// The steward's side.
	d := passport.Delegation{
		Passport:  17,
		Key:       phone.Key(),
		NotBefore: 1_767_225_600,
		NotAfter:  1_798_761_600,
		Scope:     passport.NodeTarget(node),
		Mode:      passport.ModeWindow,
	}
	word, err := passport.SignDelegation(wallet, registry, d)
	if err != nil {
		log.Fatal(err)
	}
	consent, err := phone.Sign(passport.PossessionChallenge(d.Digest(registry)))
	if err != nil {
		log.Fatal(err)
	}
	delegation, err := passport.NewSignedDelegation(registry, d, word[:], consent)
	if err != nil {
		log.Fatal(err)
	}

	// The resident's side.
	front := passport.DoorTarget(node, "front")
	code, err := passport.SignWindow(phone, passport.WindowStatement{
		Community: community, Passport: 17, Target: front, Start: 1_770_000_000, Length: 20, Nonce: [16]byte{1},
	})
	if err != nil {
		log.Fatal(err)
	}

	// The gateway's side.
	owner, err := delegation.Verify([]passport.Domain{registry})
	if err != nil {
		log.Fatal(err)
	}
	v, err := passport.NewVerifier(d.Key)
	if err != nil {
		log.Fatal(err)
	}
	now := int64(1_770_000_005)
	fmt.Println("the wallet is the owner's:", owner == crypto.PubkeyToAddress(wallet.PublicKey))
	fmt.Println("covers the front door:", d.Covers(node, "front"))
	fmt.Println("the code:", code.Verify(v, community, front), code.At(now))
	fmt.Println("at the back door:", code.Verify(v, community, passport.DoorTarget(node, "back")))
	// Output:
	// the wallet is the owner's: true
	// covers the front door: true
	// the code: <nil> ok
	// at the back door: code is for another door or node
}
