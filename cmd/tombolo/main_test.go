package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/rogpeppe/go-internal/testscript"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/pin"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// TestMain lets scripts run the real command, with the clock that they set, and
// what stands on the other side of it: a wallet, a gateway.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tombolo": func() {
			e := &env{Now: testNow, Sleep: sleep, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
			os.Exit(e.run(context.Background(), os.Args[1:]))
		},
		"tombolo-main": main, // as it is, with its signals and the machine's clock
		"wallet":       tool(walletTool),
		"keystore":     tool(keystoreTool),
		"gateway":      tool(gatewayTool),
		"flip":         tool(flipTool),
		"incident":     tool(incidentTool),
		"forget":       tool(forgetTool),
	})
}

// testNow is the time that a script sets in NOW.
func testNow() time.Time {
	t, err := time.Parse(time.RFC3339, os.Getenv("NOW"))
	if err != nil {
		panic(err)
	}
	return t
}

func tool(run func(args []string) error) func() {
	return func() {
		if err := run(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// walletTool is some wallet: it answers eth_signTypedData_v4 for the private key
// with that small number, by go-ethereum's own reading of the JSON.
func walletTool(args []string) error {
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	return walletSigns(args[0], text, os.Stdout)
}

func walletSigns(number string, typedData []byte, out io.Writer) error {
	key, err := crypto.HexToECDSA(fmt.Sprintf("%064s", number))
	if err != nil {
		return err
	}
	var data apitypes.TypedData
	if err := json.Unmarshal(typedData, &data); err != nil {
		return err
	}
	digest, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		return err
	}
	sig, err := crypto.Sign(digest, key)
	if err != nil {
		return err
	}
	sig[64] += 27
	_, err = fmt.Fprintf(out, "0x%x\n", sig)
	return err
}

// keystoreTool writes the wallet with that private key under a password.
func keystoreTool(args []string) error {
	text, err := newKeystore(args[0], args[1])
	if err != nil {
		return err
	}
	return os.WriteFile(args[2], text, 0o600)
}

func newKeystore(number, password string) ([]byte, error) {
	secret, err := hex.DecodeString(fmt.Sprintf("%064s", number))
	if err != nil {
		return nil, err
	}
	key, err := crypto.ToECDSA(secret)
	if err != nil {
		return nil, err
	}
	c, err := keystore.EncryptDataV3(secret, []byte(password), keystore.LightScryptN, 1)
	if err != nil {
		return nil, err
	}
	owner := walletAddress(key)
	return json.Marshal(map[string]any{"version": 3, "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "address": hex.EncodeToString(owner[:]), "crypto": c, "x-wallet": "unknown keys are other people's"})
}

// gatewayTool is the daemon's part: gateway new DIR NAME, gateway enrol DIR FILE,
// gateway log DIR N (a door log of N decisions), gateway key DIR, gateway phones
// DIR (whether they can be used), gateway old DIR (it starts with software that
// knows no lockdown), gateway used DIR PASS (an entry of a guest pass), gateway pin
// DIR PASSPORT DIGITS (what was typed there), gateway newer DIR (later software has
// it).
func gatewayTool(args []string) error {
	f, err := folder.Open(args[1], args[0] == "new" || args[0] == "service")
	if err != nil {
		return err
	}
	defer f.Close()
	f.Now = testNow
	switch args[0] {
	case "new":
		_, err := f.NewGateway(args[2])
		return err
	case "service": // a hub's or an evaluator's folder
		_, err := f.NewService(ledger.AuthorRole(args[2]))
		return err
	case "census": // an entry of the hub's
		a, err := f.Author(ledger.CensusLog)
		if err != nil {
			return err
		}
		_, err = a.Append(store.Draft{Body: &ledger.EpochClosed{Epoch: ledger.EpochID{1}, Size: 20, Rules: 1, Reports: 1}, Time: testNow()})
		return err
	case "phones":
		if _, err := f.Vouched(); err != nil {
			return err
		}
		fmt.Println("phones can be used")
		return nil
	case "key":
		pub, err := f.Public(folder.SigningKey)
		fmt.Printf("%x\n", pub)
		return err
	case "enrol":
		approval, err := os.Open(args[2])
		if err != nil {
			return err
		}
		defer approval.Close()
		name, err := f.Enrol(approval)
		fmt.Println(name)
		return err
	case "old":
		kinds := slices.DeleteFunc(ledger.KnownKinds(), func(k ledger.Kind) bool { return k >= ledger.KindLockdown && k <= ledger.KindPinSet })
		return gatewayWrites(f, &ledger.Boot{Software: "tombolod 0.1", Kinds: kinds, Clock: "known"})
	case "used":
		id, err := ledger.ParsePassID(args[2])
		if err != nil {
			return err
		}
		return gatewayWrites(f, &ledger.PassUsed{Pass: id, Seq: 1})
	case "newer":
		dir, err := filepath.Abs(f.Dir())
		if err != nil {
			return err
		}
		db, err := store.Database(filepath.Join(dir, "ledgers.db"), 1)
		if err != nil {
			return err
		}
		_, err = db.Exec("PRAGMA user_version = 9")
		return errors.Join(err, db.Close())
	case "pin":
		return typed(f, args[2], args[3])
	case "log":
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		bodies := []ledger.Body{&ledger.Boot{Software: "tombolod test", Kinds: ledger.KnownKinds(), Clock: "known"}}
		for i := range n {
			bodies = append(bodies, &ledger.Decision{Seq: uint64(i) + 1, Door: "front", Mode: "window", Granted: true, Reason: "granted", Passport: 1})
		}
		return gatewayWrites(f, bodies...)
	}
	return fmt.Errorf("gateway %s?", args[0])
}

func gatewayWrites(f *folder.Folder, bodies ...ledger.Body) error {
	a, err := f.Author(ledger.DoorLog)
	if err != nil {
		return err
	}
	var drafts []store.Draft
	for _, b := range bodies {
		drafts = append(drafts, store.Draft{Body: b, Time: f.Now()})
	}
	_, err = a.Append(drafts...)
	return err
}

// typed prints what a gateway finds of a PIN, by what its own key opens.
func typed(f *folder.Folder, number, digits string) error {
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return err
	}
	key, err := f.Sealing()
	if err != nil {
		return err
	}
	self, err := f.Public(folder.SigningKey)
	if err != nil {
		return err
	}
	community, err := f.CommunityID()
	if err != nil {
		return err
	}
	node, err := f.NodeID()
	if err != nil {
		return err
	}
	o, err := readOrders(f, nil)
	if err != nil {
		return err
	}
	set, ok := o.pins[n]
	if !ok {
		return errors.New("no PIN")
	}
	for _, b := range set.body.Boxes {
		if b.Gateway != self {
			continue
		}
		s, err := pin.Open(key, b.Sealed, pin.Context{Community: passport.CommunityID(community), Node: passport.NodeID(node), Gateway: self, Passport: passport.ID(n)})
		fmt.Println(s.Check(digits))
		return err
	}
	return errors.New("not for this gateway")
}

// flipTool flips a bit of the byte after the nth occurrence of a text.
func flipTool(args []string) error {
	b, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	at := 0
	for range n {
		i := strings.Index(string(b[at:]), args[1])
		if i < 0 {
			return fmt.Errorf("%s: no %d times %q", args[0], n, args[1])
		}
		at += i + len(args[1])
	}
	b[at] ^= 1
	return os.WriteFile(args[0], b, 0o600)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TOMBOLO_DIR", filepath.Join(e.WorkDir, "steward"))
			e.Setenv("TOMBOLO_GUARD", filepath.Join(e.WorkDir, "guard"))
			e.Setenv("TZ", "UTC")
			e.Setenv("NOW", "2026-03-01T12:00:00Z")
			e.Setenv("REGISTRY", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
			e.Setenv("ALICE", "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf") // private key 1
			e.Setenv("BOB", "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF")   // private key 2
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"json":  checkJSON,
			"keep":  keep,
			"age":   age,
			"files": holdsFiles,
		},
	})
}

// exits STATUS COMMAND…: the command ends with that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if neg || got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// json [N] [FIELD=VALUE…]: the last command printed N values of JSON, or at least
// one, each on a line of its own unless there is one only, and the last of them
// has these fields.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile("stdout")
	values := 0
	var last map[string]any
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); values++ {
		last = nil
		ts.Check(d.Decode(&last))
	}
	if lines := strings.Count(text, "\n"); values == 0 || (values > 1 && lines != values) {
		ts.Fatalf("%d values on %d lines", values, lines)
	}
	if len(args) > 0 && !strings.Contains(args[0], "=") {
		if args[0] != strconv.Itoa(values) {
			ts.Fatalf("%d values, want %s", values, args[0])
		}
		args = args[1:]
	}
	for _, a := range args {
		field, want, _ := strings.Cut(a, "=")
		if got := fmt.Sprint(last[field]); (got != want) != neg {
			ts.Fatalf("%s is %q, want %q", field, got, want)
		}
	}
}

// keep NAME [FIELD]: a variable holds what the last command printed, or a field
// of its JSON.
func keep(ts *testscript.TestScript, _ bool, args []string) {
	value := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 2 {
		var v map[string]any
		ts.Check(json.Unmarshal([]byte(value), &v))
		value = fmt.Sprint(v[args[1]])
	}
	ts.Setenv(args[0], value)
}

// files FOLDER NAME…: the folder has these files and no others.
func holdsFiles(ts *testscript.TestScript, neg bool, args []string) {
	all, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var names []string
	for _, f := range all {
		names = append(names, f.Name())
	}
	if neg || !slices.Equal(names, slices.Sorted(slices.Values(args[1:]))) {
		ts.Fatalf("%s has %v", args[0], names)
	}
}

// age DURATION: that much later.
func age(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	now, err := time.Parse(time.RFC3339, ts.Getenv("NOW"))
	ts.Check(err)
	ts.Setenv("NOW", now.Add(d).Format(time.RFC3339))
}
