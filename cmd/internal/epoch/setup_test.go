package epoch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/passport"
)

const beacon = "the hash of the first block after the close"

// newWorld founds the community, its nodes, its hub and its evaluator by the
// commands that people type, and starts the two services.
func newWorld(t *testing.T) *world {
	w := &world{
		t: t, dir: t.TempDir(), broker: freePort(t), web: freePort(t), wallet: must(crypto.GenerateKey()),
		domain: passport.Domain{ChainID: 100, Registry: [20]byte{19: 7}},
	}
	casa := w.path("casa")
	w.at(casa, "community", "new", "isles", "--chain-id", "100", "--registry", fmt.Sprintf("0x%x", w.domain.Registry))
	export := func(desk, kinds, out string) string {
		w.at(desk, "ledger", "export", "--kind", kinds, "--out", w.path(out))
		return w.path(out)
	}
	// The services make their keys; the charter names them.
	first := export(casa, "community", "first.tombolo")
	w.run("tombolo-hub", "init", first, "--data", w.path("hub"))
	w.run("tombolo-hub", "evaluator", "init", first, "--data", w.path("evaluator"))
	w.at(casa, "charter", "update", "community", "--yes", "--service", w.path("hub", "hub.request"), "--service", w.path("evaluator", "evaluator.request"))
	community := export(casa, "community", "community.tombolo")

	for i, slug := range []string{"casa", "mare", "monte"} {
		n := &node{slug: slug, desk: w.path(slug)}
		w.nodes = append(w.nodes, n)
		if i > 0 {
			w.at(n.desk, "ledger", "import", community, "--pin=community")
		}
		w.at(n.desk, "node", "new", slug)
		gateways := []string{slug + "1"}
		if i == 0 {
			gateways = append(gateways, slug+"2") // one reports for both
		}
		var doors strings.Builder
		for _, name := range gateways {
			fmt.Fprintf(&doors, policyDoor, name)
		}
		policy := w.file(slug+".toml", fmt.Sprintf(policyHead, slug, `"`+strings.Join(gateways, `", "`)+`"`)+doors.String())
		w.at(n.desk, "node", "policy", "sign", policy)
		for _, name := range gateways {
			dir := w.path(name)
			w.run("tombolod", "init", "--dir", dir, "--name", name)
			w.at(n.desk, "gateway", "approve", filepath.Join(dir, "gateway.request"), "--yes")
			n.gateways = append(n.gateways, &unit{name: name, dir: dir})
		}
		// The gateways of a node that has no desk on its link know each other by file.
		export(n.desk, "community,node,directory", slug+"-node.tombolo")
		for _, u := range n.gateways {
			w.at(u.dir, "ledger", "import", w.path(slug+"-node.tombolo"), "--pin")
		}
		directory := export(n.desk, "community,directory", slug+".tombolo")
		register := []string{"node", "register", "--doors", fmt.Sprint(len(gateways)), "--floor", fmt.Sprint(100 * (i + 1))}
		if i > 0 {
			register = append(register, directory)
		}
		w.at(casa, register...)
	}
	// Everybody's ledgers go to the services once, by file; what changes later comes
	// over the links.
	all := []string{export(casa, "community,directory", "all.tombolo"), w.path("mare.tombolo"), w.path("monte.tombolo")}
	for _, service := range [][]string{{"admit"}, {"evaluator", "admit"}} {
		data := w.path("hub")
		if len(service) > 1 {
			data = w.path("evaluator")
		}
		w.run("tombolo-hub", append(append(service, all...), "--data", data)...)
	}
	for _, n := range w.nodes[1:] { // their desks know what the issuer wrote since
		w.at(n.desk, "ledger", "import", all[0])
	}

	link := fmt.Sprintf("[links.hub]\nbroker = \"tls://%s\"\n", w.broker)
	w.file("casa/links.toml", link)
	w.file("evaluator/links.toml", link)
	w.hub = w.daemon("tombolo-hub", "run", "--data", w.path("hub"), "--listen", w.broker, "--http", w.web, "--grace", "-1s")
	w.hub.start("msg=running")
	w.evaluator = w.daemon("tombolo-hub", "evaluator", "run", "--data", w.path("evaluator"))
	w.evaluator.start("link up")
	return w
}

// open starts the gateways.
func (w *world) open() {
	w.t.Helper()
	inside := freePort(w.t)
	for _, n := range w.nodes {
		for i, u := range n.gateways {
			network := ""
			switch {
			case len(n.gateways) == 1:
			case i == 0:
				network = fmt.Sprintf("[broker]\nlisten = %q\n[links.node]\nbroker = \"own\"\nown = true\n", inside)
			default:
				network = fmt.Sprintf("[links.node]\nbroker = \"tls://%s\"\nown = true\n", inside)
			}
			text := fmt.Sprintf(gatewayWiring, network, w.broker, u.name) + "[census]\ngrace = \"2s\"\npatience = \"20s\"\n"
			if err := os.WriteFile(filepath.Join(u.dir, "gateway.toml"), []byte(text), 0o600); err != nil {
				w.t.Fatal(err)
			}
			u.process = w.daemon("tombolod", "run", "--config", filepath.Join(u.dir, "gateway.toml"))
			u.start("msg=ready")
		}
	}
}

// unit finds a gateway by its name.
func (w *world) unit(name string) *unit {
	for _, n := range w.nodes {
		for _, u := range n.gateways {
			if u.name == name {
				return u
			}
		}
	}
	w.t.Fatalf("there is no gateway %s", name)
	return nil
}

// lines reads what a command printed with --json.
func lines[T any](t *testing.T, out string) (all []T) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var v T
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		all = append(all, v)
	}
	return all
}
