package nfc

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func TestPickReader(t *testing.T) {
	t.Parallel()
	dual := []string{"ACS ACR1252 Dual Reader [ACR1252 Dual Reader PICC] 00 00", "ACS ACR1252 Dual Reader [ACR1252 Dual Reader SAM] 01 00"}
	two := []string{"Virtual PCD 00 00", "Virtual PCD 00 01"}
	for _, c := range []struct {
		readers []string
		name    string
		want    string
		err     error
	}{
		{dual[:1], "", dual[0], nil},
		{dual, "PICC", dual[0], nil},
		{dual, "picc", dual[0], nil},
		{dual, dual[1], dual[1], nil},
		{dual, "01 00", dual[1], nil},
		{[]string{"Reader", "Reader 2"}, "Reader", "Reader", nil}, // a whole name, although it is a part of another
		{[]string{"Reader 2", "Reader"}, "Reader", "Reader", nil},
		{nil, "", "", ErrNoReader},
		{nil, "PICC", "", ErrNoReader},
		{two, "PICC", "", ErrNoReader},
		{two, "Virtual PCD 00 02", "", ErrNoReader},
		{two, "Virtual  PCD", "", ErrNoReader},
		{two, "Virtual PCD 00 00 ", "", ErrNoReader},
		{two, "", "", ErrAmbiguous},
		{two, "Virtual PCD", "", ErrAmbiguous},
		{two, "virtual pcd", "", ErrAmbiguous},
		{two, " ", "", ErrAmbiguous},
		{dual, "ACR1252", "", ErrAmbiguous},
		{append(two, "virtual pcd 00 00"), "VIRTUAL PCD 00 00", "", ErrAmbiguous},
	} {
		got, err := pickReader(c.readers, c.name)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q among %q: %q, %v", c.name, c.readers, got, err)
		}
		if err != nil && len(c.readers) > 0 && !strings.Contains(err.Error(), c.readers[0]) {
			t.Errorf("%q: %v does not say what is attached", c.name, err)
		}
	}
}

// TestStorageCard: ATRs from PC/SC part 3 §3.1.3.2.3.1 and its table of card
// names, and of cards with ISO 14443-4.
func TestStorageCard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		atr  string
		want bool
	}{
		{"MIFARE Classic 1K", "3b8f8001804f0ca000000306030001000000006a", true},
		{"MIFARE Ultralight, NTAG", "3b8f8001804f0ca0000003060300030000000068", true},
		{"FeliCa", "3b8f8001804f0ca00000030611003b0000000042", true},
		{"ISO 14443-4 without historical bytes", "3b80800101", false},
		{"DESFire EV1", "3b8180018080", false},
		{"Java Card", "3b888001000000000000000009", false},
		{"15 historical bytes of its own", "3b8f80018031b86404b0ecc173948001829000000e", false},
		{"contact card, T=0", "3b6800000073c84012009000", false},
		{"one byte short", "3b8f8001804f0ca00000030603000300000000", false},
		{"another RID", "3b8f8001804f0ca0000003070300030000000068", false},
		{"none", "", false},
	} {
		if got := storageCard(fromHex(t, c.atr)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func fromHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
