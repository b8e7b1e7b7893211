package broker_test

import (
	"crypto/tls"
	"errors"
	"os"
	"strings"
	"testing"

	"tombolo/sync/broker"
)

// config is a good one, changed.
func config(t testing.TB, change func(*broker.Config)) broker.Config {
	t.Helper()
	c := selfSigned(t, "broker")
	h := standard(t)
	cfg := broker.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Community: community,
		Certificate:   func() (*tls.Certificate, error) { return &c, nil },
		Identify:      h.identify,
		PlainIdentity: h.plainIdentity,
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestRefusedConfigurations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*broker.Config)
		want   error
	}{
		"no folder":               {func(c *broker.Config) { c.Dir = "" }, broker.ErrConfig},
		"no listener":             {func(c *broker.Config) { c.Listen = "" }, broker.ErrConfig},
		"no certificate":          {func(c *broker.Config) { c.Certificate = nil }, broker.ErrConfig},
		"nobody to ask":           {func(c *broker.Config) { c.Identify = nil }, broker.ErrConfig},
		"nobody to ask, plain":    {func(c *broker.Config) { c.Plain, c.PlainIdentity = "127.0.0.1:0", nil }, broker.ErrConfig},
		"short community":         {func(c *broker.Config) { c.Community = "c0" }, broker.ErrConfig},
		"wildcard community":      {func(c *broker.Config) { c.Community = strings.Repeat("+", 64) }, broker.ErrConfig},
		"upper-case community":    {func(c *broker.Config) { c.Community = strings.Repeat("A", 64) }, broker.ErrConfig},
		"tiny payload":            {func(c *broker.Config) { c.MaxPayload = 10 }, broker.ErrConfig},
		"huge payload":            {func(c *broker.Config) { c.MaxPayload = 1 << 30 }, broker.ErrConfig},
		"one client":              {func(c *broker.Config) { c.MaxClients = 1 }, broker.ErrConfig},
		"store below one message": {func(c *broker.Config) { c.MaxStore = 1000 }, broker.ErrConfig},
		"no port":                 {func(c *broker.Config) { c.Listen = "127.0.0.1" }, broker.ErrConfig},
		"plain for everybody":     {func(c *broker.Config) { c.Plain = ":1883" }, broker.ErrLoopback},
		"plain on all addresses":  {func(c *broker.Config) { c.Plain = "0.0.0.0:1883" }, broker.ErrLoopback},
		"plain on IPv6's all":     {func(c *broker.Config) { c.Plain = "[::]:1883" }, broker.ErrLoopback},
		"plain on a LAN":          {func(c *broker.Config) { c.Plain = "192.168.1.2:1883" }, broker.ErrLoopback},
		"plain on a name":         {func(c *broker.Config) { c.Plain = "localhost:1883" }, broker.ErrLoopback},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := broker.Open(config(t, c.change))
			wantError(t, err, c.want)
			if b != nil {
				b.Close()
			}
		})
	}
}

func TestPrivateFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := open(t, standard(t), func(c *broker.Config) { c.Dir = dir })
	for name, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, b.PasswordFile(): 0o600} {
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode() != want {
			t.Errorf("%s has mode %v, want %v", name, fi.Mode(), want)
		}
	}
}
