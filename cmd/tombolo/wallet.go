package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
)

// walletFlags are the ways in which a passport's wallet signs.
type walletFlags struct {
	keystore, password string
	typedData          bool
	signature          string
}

func (w *walletFlags) flags(c *cobra.Command) {
	c.Flags().StringVar(&w.keystore, "wallet", "", "the wallet as a keystore file (Web3 secret storage version 3)")
	c.Flags().StringVar(&w.password, "password-file", "", "its password is the first line of this file (default: ask)")
	c.Flags().BoolVar(&w.typedData, "typed-data", false, "print the JSON that any wallet signs as eth_signTypedData_v4, and nothing else")
	c.Flags().StringVar(&w.signature, "signature", "", "what the wallet answered to --typed-data, as 0x…")
}

// given is the number of ways that were named.
func (w *walletFlags) given() (n int) {
	for _, b := range []bool{w.keystore != "", w.typedData, w.signature != ""} {
		if b {
			n++
		}
	}
	return n
}

// answer is the wallet's signature from --signature.
func (w *walletFlags) answer() ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(w.signature), "0x"))
	if err != nil || len(b) < 64 || len(b) > 65 {
		return nil, usage("--signature: want 0x and 128 or 130 hexadecimal digits, as the wallet gave them")
	}
	return b, nil
}

// read reads the keystore, which stays closed.
func (w *walletFlags) read() (*keystoreFile, error) {
	text, err := folder.ReadFile(w.keystore, maxKeystore)
	if err != nil {
		return nil, err
	}
	k, err := parseKeystore(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.keystore, err)
	}
	return k, nil
}

// open decrypts the keystore.
func (w *walletFlags) open(e *env) (*ecdsa.PrivateKey, error) {
	k, err := w.read()
	if err != nil {
		return nil, err
	}
	password, err := w.ask(e)
	if err != nil {
		return nil, err
	}
	key, err := k.open(password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.keystore, err)
	}
	return key, nil
}

func (w *walletFlags) ask(e *env) (string, error) {
	if w.password != "" {
		text, err := folder.ReadStream(w.password, 4096)
		if err != nil {
			return "", err
		}
		line, err := bufio.NewReader(bytes.NewReader(text)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	return e.askSecret(fmt.Sprintf("Password of %s: ", w.keystore), "the wallet has a password: name its file with --password-file, or type it on a terminal")
}

// Errors of a keystore file.
var (
	errKeystoreJSON    = errors.New("not a keystore file: it is no JSON object of that kind")
	errKeystoreVersion = errors.New("a keystore of another version than 3: export the wallet again")
	errKeystoreCipher  = errors.New("the keystore's cipher is not aes-128-ctr")
	errKeystoreKDF     = errors.New("the keystore's key derivation is neither scrypt nor pbkdf2 with hmac-sha256")
	errKeystoreCost    = errors.New("the keystore's key derivation is absurd: no wallet asks for so much, or so little")
	errKeystoreField   = errors.New("a field of the keystore is malformed")
	errKeystoreAddress = errors.New("the key in the keystore is not that of its address")
	errPassword        = errors.New("wrong password")
)

// The bounds of what a stranger's file may make this machine compute. geth's own
// keystores take scrypt with N = 2^18, r = 8, p = 1: 256 MiB and about a second.
const (
	maxKeystore     = 64 << 10  // bytes
	maxScryptMemory = 512 << 20 // 128·N·r bytes (RFC 7914 §2)
	maxScryptWork   = 1 << 23   // N·r·p
	maxPBKDF2       = 10_000_000
)

// keystoreFile is a wallet's key under a password, Web3 secret storage version 3
// (https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage).
// The file is other people's: keys that it does not define are left alone, those
// that it does are read strictly and what is decrypted is made from them anew.
type keystoreFile struct {
	Address string `json:"address"`
	ID      string `json:"id"`
	Version int    `json:"version"`
	Crypto  struct {
		Cipher       string `json:"cipher"`
		CipherText   string `json:"ciphertext"`
		CipherParams struct {
			IV string `json:"iv"`
		} `json:"cipherparams"`
		KDF       string `json:"kdf"`
		KDFParams struct {
			DKLen int    `json:"dklen"`
			Salt  string `json:"salt"`
			N     int    `json:"n"`
			R     int    `json:"r"`
			P     int    `json:"p"`
			C     int    `json:"c"`
			PRF   string `json:"prf"`
		} `json:"kdfparams"`
		MAC string `json:"mac"`
	} `json:"crypto"`
}

func parseKeystore(text []byte) (*keystoreFile, error) {
	if len(text) > maxKeystore {
		return nil, fmt.Errorf("%w: %d bytes", errKeystoreJSON, len(text))
	}
	var k keystoreFile
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("%w: %w", errKeystoreJSON, err)
	}
	if k.Version != 3 {
		return nil, fmt.Errorf("%w (%d)", errKeystoreVersion, k.Version)
	}
	if k.Crypto.Cipher != "aes-128-ctr" {
		return nil, fmt.Errorf("%w (%q)", errKeystoreCipher, k.Crypto.Cipher)
	}
	for _, f := range []struct {
		name, value string
		least, most int // bytes
	}{
		{"ciphertext", k.Crypto.CipherText, 32, 32},
		{"iv", k.Crypto.CipherParams.IV, 16, 16},
		{"mac", k.Crypto.MAC, 32, 32},
		{"salt", k.Crypto.KDFParams.Salt, 1, 64},
		{"address", strings.TrimPrefix(k.Address, "0x"), 0, 20},
	} {
		b, err := hex.DecodeString(f.value)
		if err != nil || len(b) < f.least || len(b) > f.most {
			return nil, fmt.Errorf("%w: %s", errKeystoreField, f.name)
		}
	}
	if n := len(strings.TrimPrefix(k.Address, "0x")); n != 0 && n != 40 {
		return nil, fmt.Errorf("%w: address", errKeystoreField)
	}
	return &k, k.checkKDF()
}

func (k *keystoreFile) checkKDF() error {
	p := k.Crypto.KDFParams
	if p.DKLen != 32 {
		return fmt.Errorf("%w: dklen %d", errKeystoreField, p.DKLen)
	}
	switch {
	case k.Crypto.KDF == "scrypt":
		if p.N < 2 || p.N&(p.N-1) != 0 || p.R < 1 || p.P < 1 ||
			p.N > maxScryptMemory/128 || p.R > maxScryptMemory/128/p.N || p.P > maxScryptWork/(p.N*p.R) {
			return fmt.Errorf("%w: scrypt with N %d, r %d, p %d", errKeystoreCost, p.N, p.R, p.P)
		}
	case k.Crypto.KDF == "pbkdf2" && p.PRF == "hmac-sha256":
		if p.C < 1 || p.C > maxPBKDF2 {
			return fmt.Errorf("%w: pbkdf2 with %d rounds", errKeystoreCost, p.C)
		}
	default:
		return fmt.Errorf("%w (%q)", errKeystoreKDF, k.Crypto.KDF)
	}
	return nil
}

// open decrypts the key. It returns errPassword or errKeystoreAddress.
func (k *keystoreFile) open(password string) (*ecdsa.PrivateKey, error) {
	p := k.Crypto.KDFParams
	c := keystore.CryptoJSON{
		Cipher: k.Crypto.Cipher, CipherText: k.Crypto.CipherText, KDF: k.Crypto.KDF, MAC: k.Crypto.MAC,
		KDFParams: map[string]any{"dklen": p.DKLen, "salt": p.Salt, "n": p.N, "r": p.R, "p": p.P, "c": p.C, "prf": p.PRF},
	}
	c.CipherParams.IV = k.Crypto.CipherParams.IV
	secret, err := keystore.DecryptDataV3(c, password)
	if errors.Is(err, keystore.ErrDecrypt) {
		return nil, errPassword
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errKeystoreField, err)
	}
	key, err := walletKey(secret)
	if err != nil {
		return nil, err
	}
	have := strings.ToLower(strings.TrimPrefix(k.Address, "0x"))
	if owner := walletAddress(key); have != "" && have != hex.EncodeToString(owner[:]) {
		return nil, errKeystoreAddress
	}
	return key, nil
}

func walletKey(secret []byte) (*ecdsa.PrivateKey, error) {
	key, err := crypto.ToECDSA(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: it holds no private key", errKeystoreField) // the cause may quote the key
	}
	return key, nil
}

func walletAddress(key *ecdsa.PrivateKey) [20]byte { return crypto.PubkeyToAddress(key.PublicKey) }
