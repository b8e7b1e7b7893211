package folder

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// RequestFile is the name of a gateway's request in its folder.
const RequestFile = "gateway.request"

// Request is a new gateway's wish to be enrolled: the name it was given and its
// public keys. Its file is JSON; the signature, by the signing key, shows that
// whoever asks holds that key, and that the file was not mixed up on the way. It
// proves nothing about who asks: a steward compares the fingerprint with what
// the gateway shows.
//
// A request is read once and then forgotten; another form is another format
// line and another separator.
type Request struct {
	Gateway string
	Keys    ledger.GatewayKeys
	Reader  [33]byte // what it proves itself to phones with: P-256, compressed
}

const (
	requestFormat    = "tombolo gateway request v2"
	requestSeparator = "tombolo/v2/gateway-request\n"
	maxRequest       = 4096 // bytes
)

type requestFile struct {
	Format    string `json:"format"`
	Gateway   string `json:"gateway"`
	Signing   string `json:"signing"`
	Hold      string `json:"hold"`
	Witness   string `json:"witness"`
	Sealing   string `json:"sealing"`
	TLS       string `json:"tls"`
	Reader    string `json:"reader"`
	Signature string `json:"signature"`
}

// ErrRequest is wrapped by every [RequestError].
var ErrRequest = errors.New("not a gateway's request")

// RequestError says what is wrong with a request, and in which field of it; the
// field is "" for the file as a whole.
type RequestError struct {
	Field string
	Err   error
}

func (e *RequestError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%v: %v", ErrRequest, e.Err)
	}
	return fmt.Sprintf("%v: %s: %v", ErrRequest, e.Field, e.Err)
}

func (e *RequestError) Unwrap() []error { return []error{ErrRequest, e.Err} }

// Signature sentinels of a request.
var (
	ErrRequestSize      = fmt.Errorf("larger than %d bytes", maxRequest)
	ErrRequestFormat    = fmt.Errorf("want %q: on the gateway, `tombolod init` of this version writes it, with the keys that are there", requestFormat)
	ErrRequestKey       = errors.New("want 64 lower-case hexadecimal digits")
	ErrRequestReader    = errors.New("want a compressed point of P-256, 66 lower-case hexadecimal digits")
	ErrRequestTwice     = errors.New("one key has two roles")
	ErrRequestSignature = errors.New("it is not the signing key's over this request")
)

// preimage is what the signing key signs: separator ‖ length of the slug u8 ‖
// slug ‖ the six keys in the order of the file.
func (r Request) preimage() []byte {
	b := append([]byte(requestSeparator), byte(len(r.Gateway)))
	b = append(b, r.Gateway...)
	for _, k := range [][32]byte{r.Keys.Signing, r.Keys.Hold, r.Keys.Witness, r.Keys.Sealing, r.Keys.TLS} {
		b = append(b, k[:]...)
	}
	return append(b, r.Reader[:]...)
}

// Sign gives the request's file.
func (r Request) Sign(signing ed25519.PrivateKey) ([]byte, error) {
	return EncodeJSON(requestFile{
		Format: requestFormat, Gateway: r.Gateway,
		Signing: hex.EncodeToString(r.Keys.Signing[:]), Hold: hex.EncodeToString(r.Keys.Hold[:]),
		Witness: hex.EncodeToString(r.Keys.Witness[:]), Sealing: hex.EncodeToString(r.Keys.Sealing[:]),
		TLS: hex.EncodeToString(r.Keys.TLS[:]), Reader: hex.EncodeToString(r.Reader[:]),
		Signature: hex.EncodeToString(ed25519.Sign(signing, r.preimage())),
	})
}

// ParseRequest reads a request's file, strictly, and verifies its signature. Its
// errors are *[RequestError].
func ParseRequest(data []byte) (Request, error) {
	var file requestFile
	var r Request
	if len(data) > maxRequest {
		return r, &RequestError{"", ErrRequestSize}
	}
	if err := DecodeJSON(data, &file); err != nil {
		return r, &RequestError{"", err}
	}
	if file.Format != requestFormat {
		return r, &RequestError{"format", ErrRequestFormat}
	}
	if err := ledger.CheckSlug("name", file.Gateway); err != nil {
		return r, &RequestError{"gateway", err}
	}
	r.Gateway = file.Gateway
	seen := map[string]bool{}
	for _, k := range []struct {
		name, text string
		at         *[32]byte
	}{
		{"signing", file.Signing, &r.Keys.Signing}, {"hold", file.Hold, &r.Keys.Hold},
		{"witness", file.Witness, &r.Keys.Witness}, {"sealing", file.Sealing, &r.Keys.Sealing},
		{"tls", file.TLS, &r.Keys.TLS},
	} {
		if !fillHex(k.at[:], k.text) || *k.at == [32]byte{} {
			return r, &RequestError{k.name, ErrRequestKey}
		}
		if seen[k.text] {
			return r, &RequestError{k.name, ErrRequestTwice}
		}
		seen[k.text] = true
	}
	if !fillHex(r.Reader[:], file.Reader) {
		return r, &RequestError{"reader", ErrRequestReader}
	}
	if _, err := passport.NewKey(passport.KindPhone, r.Reader[:]); err != nil { // the kind whose curve it is
		return r, &RequestError{"reader", ErrRequestReader}
	}
	var sig [ed25519.SignatureSize]byte
	if !fillHex(sig[:], file.Signature) || !ed25519.Verify(r.Keys.Signing[:], r.preimage(), sig[:]) {
		return r, &RequestError{"signature", ErrRequestSignature}
	}
	return r, nil
}

// fillHex fills dst from exactly as many lower-case hexadecimal digits.
func fillHex(dst []byte, s string) bool {
	if len(s) != hex.EncodedLen(len(dst)) {
		return false
	}
	n, err := hex.Decode(dst, []byte(s))
	return err == nil && n == len(dst) && hex.EncodeToString(dst) == s
}

// NewGateway makes this folder a gateway's: its six keys, and the request that
// a steward approves, which lies in [RequestFile] as well. Keys that are there
// are used, so that a gateway that an older version enrolled gets what it lacks,
// and a new request. It returns [ErrKeyExists] where another name was asked for
// before.
func (f *Folder) NewGateway(name string) (Request, error) {
	if err := ledger.CheckSlug("gateway", name); err != nil {
		return Request{}, err
	}
	path := filepath.Join(f.dir, RequestFile)
	if have, err := f.asked(path); err != nil {
		return Request{}, err
	} else if have != "" && have != name {
		return Request{}, fmt.Errorf("%w: this is the gateway %q already; its request is %s", ErrKeyExists, have, path)
	}
	for _, role := range []Role{SigningKey, HoldKey, WitnessKey, SealingKey, TLSKey, ReaderKey} {
		if err := f.NewKey(role); err != nil && !errors.Is(err, ErrKeyExists) {
			return Request{}, err
		}
	}
	keys, err := f.GatewayKeys()
	if err != nil {
		return Request{}, err
	}
	_, reader, err := f.Reader()
	if err != nil {
		return Request{}, err
	}
	signing, err := f.Key(SigningKey)
	if err != nil {
		return Request{}, err
	}
	r := Request{Gateway: name, Keys: keys, Reader: reader}
	text, err := r.Sign(signing)
	if err != nil {
		return r, err
	}
	return r, WriteFile(path, text, 0o644)
}

// asked is the name under which this gateway is enrolled or asked to be, by
// whatever version; "" if there is none.
func (f *Folder) asked(path string) (string, error) {
	if name, err := f.Gateway(); err != nil || name != "" {
		return name, err
	}
	text, err := ReadFile(path, maxRequest)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var file struct {
		Gateway string `json:"gateway"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return "", fmt.Errorf("%s: %w", path, &RequestError{"", ErrJSON})
	}
	return file.Gateway, nil
}
