package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/spf13/cobra"

	"tombolo/cmd/internal/cli"
)

var errBroken = errors.New("the lamp is broken")

// tool is a small one with every form there is. It says what its commands got.
func tool(out, errs io.Writer) *cobra.Command {
	var asJSON bool
	var colour string
	got := func(c *cobra.Command, args []string) error {
		return cli.Print(out, asJSON, args, "%s %q\n", c.Name(), args)
	}
	paint := cli.Need(cli.Verb("paint LAMP [SHADE]", "Paint", got), "colour")
	paint.Flags().StringVar(&colour, "colour", "", "of what")
	hidden := cli.Verb("secret", "", got)
	hidden.Hidden = true
	lamp := cli.Group("lamp", "Lamps", paint, hidden,
		cli.Verb("light", "Light", func(*cobra.Command, []string) error { return fmt.Errorf("no light: %w", errBroken) }),
		cli.Verb("judge", "Judge", func(*cobra.Command, []string) error { return cli.ErrTold }),
		cli.Verb("place LAMP", "Place", func(*cobra.Command, []string) error {
			return errors.Join(errBroken, cli.Usage("no such %s", "place"))
		}))
	root := cli.Root(cli.Group("shop", "A shop", lamp, cli.Verb("carry THING…", "Carry", got)), &asJSON)
	root.SetOut(out)
	root.SetErr(errs)
	return root
}

func TestRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   string
		status int
		want   string // what is printed, whole
	}{
		{"lamp paint 1 --colour red", cli.Done, "paint [\"1\"]\n"},
		{"lamp paint 1 dark --colour red", cli.Done, "paint [\"1\" \"dark\"]\n"},
		{"lamp paint <1> --colour red --json", cli.Done, "[\"<1>\"]\n"},
		{"carry a", cli.Done, "carry [\"a\"]\n"},
		{"carry a b c", cli.Done, "carry [\"a\" \"b\" \"c\"]\n"},
		{"lamp light", cli.Failed, "shop: no light: the lamp is broken\n"},
		{"lamp judge", cli.Failed, ""},
		{"lamp place 1", cli.Misuse, "shop: the lamp is broken\nno such place\nSee `shop lamp place --help`.\n"},
		{"", cli.Misuse, "shop: shop: say what: carry, completion, lamp\nSee `shop --help`.\n"},
		{"lamp", cli.Misuse, "shop: shop lamp: say what: judge, light, paint, place\nSee `shop lamp --help`.\n"},
		{"lamp pant", cli.Misuse, "shop: unknown command \"shop lamp pant\"; did you mean \"paint\"?\nSee `shop lamp --help`.\n"},
		{"Light", cli.Misuse, "shop: unknown command \"shop Light\"; did you mean \"lamp light\"?\nSee `shop --help`.\n"},
		{"secret", cli.Misuse, "shop: unknown command \"shop secret\"\nSee `shop --help`.\n"},
		{"xyzzy", cli.Misuse, "shop: unknown command \"shop xyzzy\"\nSee `shop --help`.\n"},
		{"lamp paint --colour red", cli.Misuse, "shop: shop lamp paint: LAMP is missing\nSee `shop lamp paint --help`.\n"},
		{"lamp paint 1", cli.Misuse, "shop: shop lamp paint: --colour is missing\nSee `shop lamp paint --help`.\n"},
		{"lamp paint 1 2 3 --colour red", cli.Misuse, "shop: shop lamp paint: \"3\" is one argument too many\nSee `shop lamp paint --help`.\n"},
		{"carry", cli.Misuse, "shop: shop carry: THING… is missing\nSee `shop carry --help`.\n"},
		{"lamp light 1", cli.Misuse, "shop: shop lamp light: \"1\" is one argument too many\nSee `shop lamp light --help`.\n"},
		{"lamp light --bright", cli.Misuse, "shop: unknown flag: --bright\nSee `shop lamp light --help`.\n"},
		{"lamp light --json=perhaps", cli.Misuse, "shop: invalid argument \"perhaps\" for \"--json\" flag: strconv.ParseBool: parsing \"perhaps\": invalid syntax\nSee `shop lamp light --help`.\n"},
	} {
		var out bytes.Buffer
		status, err := cli.Run(t.Context(), tool(&out, &out), strings.Fields(c.args))
		if status != c.status || out.String() != c.want {
			t.Errorf("%q: %d\n%swant %d\n%s", c.args, status, out.String(), c.status, c.want)
		}
		if _, misuse := errors.AsType[cli.UsageError](err); misuse != (c.status == cli.Misuse) || (err == nil) != (c.status == cli.Done) {
			t.Errorf("%q: %d with %v", c.args, status, err)
		}
	}
	var out bytes.Buffer
	if status, err := cli.Run(t.Context(), tool(&out, &out), []string{"--version"}); status != cli.Done || !strings.HasPrefix(out.String(), "shop version ") {
		t.Errorf("--version: %d %v %s", status, err, out.String())
	}
	if _, err := cli.Run(t.Context(), tool(io.Discard, io.Discard), []string{"lamp", "light"}); !errors.Is(err, errBroken) {
		t.Errorf("what went wrong is %v", err)
	}
	out.Reset()
	if status, _ := cli.Run(t.Context(), tool(&out, &out), nil); status != cli.Misuse || !strings.Contains(out.String(), "say what") {
		t.Errorf("without arguments: %d %s", status, out.String())
	}
}

// TestHelp says what a command is for, what there is to it, and no secret.
func TestHelp(t *testing.T) {
	const variable = "TOMBOLO_CLI_TEST"
	t.Setenv(variable, "hush")
	var asJSON bool
	var password string
	var out bytes.Buffer
	help := func(args ...string) string {
		t.Helper()
		one := cli.Verb("one", "Do one", func(*cobra.Command, []string) error { return nil })
		one.Long = "It is done once."
		cli.SecretVar(one, &password, "password", variable, "the `WORD` that opens")
		two := cli.Verb("two", "Do two", one.RunE)
		two.Long = "Do two, and no more."
		root := cli.Root(cli.Group("shop", "A shop", one, two), &asJSON)
		out.Reset()
		root.SetOut(&out)
		root.SetErr(&out)
		if status, err := cli.Run(t.Context(), root, args); status != cli.Done {
			t.Errorf("%q: %v", args, err)
		}
		return out.String()
	}
	if text := help("one", "--help"); !strings.HasPrefix(text, "Do one.\n\nIt is done once.\n\nUsage:") || strings.Contains(text, "hush") || !strings.Contains(text, "--password WORD   the WORD that opens ("+variable+")\n") {
		t.Error(text)
	}
	if text := help("two", "--help"); !strings.HasPrefix(text, "Do two, and no more.\n\nUsage:") {
		t.Error(text)
	}
	if help("one"); password != "hush" {
		t.Errorf("of the environment: %q", password)
	}
	if help("one", "--password", "other"); password != "other" {
		t.Errorf("of the command line: %q", password)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	type lamp struct {
		Name string `json:"name"`
		Watt string `json:"watt"`
	}
	row := func(l lamp) []string { return []string{l.Name, l.Watt} }
	for _, c := range []struct {
		lamps  []lamp
		asJSON bool
		want   string
	}{
		{nil, false, "No lamp.\n"},
		{nil, true, ""},
		{[]lamp{{"desk", "7"}, {"a&b", ""}}, false, "NAME  WATT\ndesk  7\na&b\n"},
		{[]lamp{{"desk", "7"}, {"a&b", ""}}, true, "{\"name\":\"desk\",\"watt\":\"7\"}\n{\"name\":\"a&b\",\"watt\":\"\"}\n"},
	} {
		var out bytes.Buffer
		if err := cli.Table(&out, c.asJSON, c.lamps, "No lamp.", []string{"NAME", "WATT"}, row); err != nil || out.String() != c.want {
			t.Errorf("%v: %v\n%q, want\n%q", c, err, out.String(), c.want)
		}
	}
	full := errors.New("the disk is full")
	for _, asJSON := range []bool{false, true} {
		if err := cli.Table(failing{full}, asJSON, []lamp{{"desk", "7"}}, "", nil, row); !errors.Is(err, full) {
			t.Errorf("a table that nobody could read: %v", err)
		}
	}
}

type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

func TestConfirm(t *testing.T) {
	t.Parallel()
	ask := func(typed string) (string, error) {
		t.Helper()
		master, tty, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer master.Close()
		defer tty.Close()
		if _, err := io.WriteString(master, typed); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err = cli.Confirm(tty, &out, false, "Lamp %d goes.", 3)
		return out.String(), err
	}
	if out, err := ask("yes\n"); err != nil || out != "Lamp 3 goes.\nThis cannot be undone. Type yes to do it: " {
		t.Errorf("%q, %v", out, err)
	}
	for _, no := range []string{"no\n", "y\n", "\n", "YES\n", "yes please\n", "\x04"} {
		if _, err := ask(no); err == nil || err.Error() != "nothing was done" {
			t.Errorf("%q: %v", no, err)
		}
	}
	// Where nobody can be asked, what is piped in is no answer.
	if err := cli.Confirm(strings.NewReader("yes\n"), io.Discard, false, "Lamp %d goes.", 3); err == nil || !strings.Contains(err.Error(), "Lamp 3 goes.") || !strings.Contains(err.Error(), "--yes") {
		t.Error(err)
	}
	if err := cli.Confirm(nil, nil, true, ""); err != nil {
		t.Error(err)
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asJSON bool
		level  slog.Level
		want   []string
	}{
		{false, slog.LevelInfo, []string{"level=INFO msg=loud lamp=3"}},
		{true, slog.LevelInfo, []string{`"msg":"loud","lamp":3`}},
		{false, slog.LevelDebug, []string{"msg=quiet", "msg=loud"}},
	} {
		var out bytes.Buffer
		log := cli.Logger(&out, c.asJSON, c.level)
		log.Debug("quiet")
		log.Info("loud", "lamp", 3)
		if n := strings.Count(out.String(), "\n"); n != len(c.want) {
			t.Errorf("%v: %d lines", c, n)
		}
		for _, w := range c.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%v: %s", c, out.String())
			}
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"1 door": cli.Count(uint32(1), "door", "doors"), "1 entry": cli.Count(1, "entry", "entries"),
		"0 doors": cli.Count(int64(0), "door", "doors"), "2 entries": cli.Count(uint64(2), "entry", "entries"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
