package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

func TestEpochFlag(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)
	at := func(n uint64, opens time.Time) *epoch {
		b := ledger.EpochOpened{Number: n, Opens: opens.Unix(), Closes: opens.AddDate(0, 1, 0).Unix(), Audit: opens.AddDate(0, 3, 0).Unix(), Key: [32]byte{1}, Evaluator: [32]byte{2}, Beacon: "x", Sample: 1, Quota: 1}
		return &epoch{EpochOpened: b, id: b.ID()}
	}
	all := []*epoch{at(1, now.AddDate(0, -2, 0)), at(2, now.AddDate(0, -1, 0)), at(2, now.AddDate(0, -1, 1)), at(3, now.AddDate(0, 0, 5))}
	for _, c := range []struct {
		text string
		want *epoch
		err  string
	}{
		{"", all[2], ""},
		{"1", all[0], ""},
		{"3", all[3], ""},
		{all[1].id.String(), all[1], ""},
		{"2", nil, "several epochs have that number; name one by its id: " + all[1].id.String()},
		{"4", nil, "no epoch 4 was opened"},
		{strings.Repeat("0", 64), nil, "no epoch 00"},
	} {
		var f epochFlag
		if c.text != "" {
			if err := f.Set(c.text); err != nil {
				t.Fatal(err)
			}
		}
		got, err := f.among(all, now)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
	var f epochFlag
	for _, bad := range []string{"0", "-1", "01", " 1", "1 ", "x", "1.0", "0x1", strings.Repeat("0", 63), strings.Repeat("g", 64), "18446744073709551616"} {
		if err := f.Set(bad); !errors.Is(err, errEpochFlag) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := f.among(nil, now); !errors.Is(err, errNoEpoch) {
		t.Error(err)
	}
	if _, err := f.among(all[3:], now); err == nil || !strings.Contains(err.Error(), "opens only on") {
		t.Error(err)
	}
}

func TestEpochState(t *testing.T) {
	t.Parallel()
	p := &epoch{EpochOpened: ledger.EpochOpened{Opens: 1000, Closes: 2000, Audit: 3000}}
	closed, drawn := *p, *p
	closed.closed = []*ledger.EpochClosed{{}}
	drawn.closed, drawn.draws = closed.closed, []*ledger.Draw{{}}
	for _, c := range []struct {
		epoch *epoch
		at    int64
		want  string
	}{
		{p, 940, "opens in 1m"}, {p, 1000, "open"}, {p, 1999, "open"}, {p, 2000, "closing"}, {&closed, 2001, "closed"},
		{&drawn, 2999, "drawn"}, {&drawn, 3000, "over"}, {p, 3000, "over"},
	} {
		if got := c.epoch.state(unix(c.at)); got != c.want {
			t.Errorf("at %d: %q, want %q", c.at, got, c.want)
		}
	}
}

func TestAuditorsFlag(t *testing.T) {
	t.Parallel()
	one, two := strings.Repeat("01", 32), strings.Repeat("02", 32)
	var a auditors
	for _, s := range []string{"the press=" + two, "a=b=" + one} {
		if err := a.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	if a.String() != "a=b="+one+", the press="+two {
		t.Errorf("%q", a.String())
	}
	for _, bad := range []string{"", "=", one, "=" + one, "x=", "x=" + one[2:], "x=" + one + "00", "x=" + strings.Repeat("00", 32), "x=" + strings.Repeat("zz", 32), strings.Repeat("n", 101) + "=" + one} {
		if err := a.Set(bad); !errors.Is(err, errAuditor) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := a.Set("again=" + one); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
}

func TestOpenDefaults(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)
	last := &epoch{EpochOpened: ledger.EpochOpened{Number: 7}}
	var o openFlags
	o.sample = defaultSample
	if err := o.fill([]*epoch{last}, 1000, now); err != nil {
		t.Fatal(err)
	}
	b := o.body()
	if b.Number != 8 || b.Opens != now.Add(time.Hour).Unix() || b.Closes != time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).Unix() || b.Audit != time.Date(2026, 7, 31, 0, 0, 0, 0, time.UTC).Unix() {
		t.Errorf("%+v", b)
	}
	// A quarter more than are admitted, in whole batches, and one to spare.
	if b.Quota != 1280+64 {
		t.Errorf("a quota of %d", b.Quota)
	}
	for want, o := range map[string]openFlags{
		"in an hour":            {closes: moment{Time: now.Add(time.Minute)}},
		"is not after --opens":  {opens: moment{Time: now.Add(time.Hour)}, closes: moment{Time: now.Add(time.Hour)}},
		"is not after --closes": {closes: moment{Time: now.Add(time.Hour * 2)}, audit: moment{Time: now.Add(time.Hour * 2)}},
		"is past":               {opens: moment{Time: now.Add(-2 * time.Hour)}, closes: moment{Time: now.Add(-time.Hour)}},
		"--sample 0":            {},
	} {
		err := o.fill(nil, 1, now)
		if _, bad := errors.AsType[usageError](err); !bad || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

// TestSavedAnswers: what was saved of a hub's answers answers as the hub did, and
// what was cut short is not saved.
func TestSavedAnswers(t *testing.T) {
	t.Parallel()
	list := bytes.Repeat([]byte{7}, 100_000)
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/epochs":
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"page":"`+r.URL.RawQuery+`"}`)
		case "/v1/list":
			w.Write(list)
		case "/v1/short":
			w.Header().Set("Content-Length", "100")
			w.Write(list[:50])
		default:
			http.NotFound(w, r)
		}
	}))
	defer hub.Close()
	dir := t.TempDir()
	saving := &http.Client{Transport: savingAnswers{next: http.DefaultTransport, dir: dir}}
	get := func(c *http.Client, path string) (string, error) {
		resp, err := c.Get(hub.URL + path)
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			return "", err
		}
		if resp.StatusCode != http.StatusOK {
			return "", errors.New(resp.Status)
		}
		return string(b), nil
	}
	paths := []string{"/v1/epochs", "/v1/epochs?after=1%2f2&limit=3", "/v1/list"}
	want := map[string]string{}
	for _, p := range paths {
		b, err := get(saving, p)
		if err != nil {
			t.Fatal(err)
		}
		want[p] = b
	}
	for _, p := range []string{"/v1/short", "/v1/none"} {
		if _, err := get(saving, p); err == nil {
			t.Errorf("%s came", p)
		}
	}
	hub.Close()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != len(paths) {
		t.Fatalf("%v, %v", left, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	from := &http.Client{Transport: savedAnswers{root}}
	for _, p := range paths {
		if b, err := get(from, p); err != nil || b != want[p] {
			t.Errorf("%s: %d bytes, %v", p, len(b), err)
		}
	}
	for _, p := range []string{"/v1/short", "/v1/none", "/../../etc/passwd", "/v1/epochs?after=2", "/" + strings.Repeat("x", 300)} {
		if _, err := get(from, p); err == nil {
			t.Errorf("%s was saved", p)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "v1+dir"+savedSuffix), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := get(from, "/v1/dir"); err == nil {
		t.Error("a folder was an answer")
	}
}

func TestBarLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		done, total int64
		took        time.Duration
		want        string
	}{
		{0, 0, 0, "hash       0"},
		{3, 0, 0, "hash       3"},
		{0, 10, time.Second, "hash       [..............................]   0%"},
		{5, 10, 3 * time.Second, "hash       [###############...............]  50%  3s left"},
		{10, 10, time.Second, "hash       [##############################] 100%"},
		{11, 10, time.Second, "hash       [##############################] 100%"},
		{-1, 10, time.Second, "hash       [..............................]   0%"},
		{1 << 62, 1<<63 - 1, time.Second, "hash       [###############...............]  50%  1s left"},
	} {
		if got := barLine("hash", c.done, c.total, c.took); got != c.want {
			t.Errorf("%d of %d: %q", c.done, c.total, got)
		}
	}
	var none *progressBar
	none.at("hash", 1, 2)
	none.end()
	var out strings.Builder
	b := &progressBar{out: &out}
	b.at("hash", 1, 2)
	b.end()
	if out.Len() != 0 {
		t.Errorf("drawn at once: %q", out.String())
	}
	b.began = time.Now().Add(-time.Minute)
	b.shown = b.began
	b.at("hash", 1, 2)
	b.end()
	if got := out.String(); !strings.Contains(got, "50%") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("%q", got)
	}
}
