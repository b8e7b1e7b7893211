package panel_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

// The transcripts tell what a gateway's doors do, one story a file. A file is
// paragraphs: those that begin with # are prose, the first of them a title that
// says what is so; the others are commands, a line of dashes, and what follows
// from them in the panel's own order, which
//
//	go test ./edge/panel -run TestTranscripts -update
//
// writes anew. Read the difference before it is committed: what stands here is
// what doors do. Lines that begin with "log" are entries of the door log. The
// commands are those of [commands]; a policy leaves out what [completed] adds.
//
// Each story is also replayed from its door log, and each entry is held against
// what a door log takes.
const transcripts = "../../testdata/transcripts"

var update = flag.Bool("update", false, "write what the transcripts' commands lead to")

const dashes = "----"

// paragraph is a piece of a transcript that blank lines set apart.
type paragraph struct {
	line   int    // of its first one, from 1
	prose  string // with its #
	input  string
	output string
}

// readTranscript takes a file apart; input may have blank lines, output has none.
func readTranscript(text string) (out []paragraph, err error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i := 0; i < len(lines); {
		if lines[i] == "" {
			i++
			continue
		}
		p := paragraph{line: i + 1}
		take := func(until func(string) bool) string {
			from := i
			for i < len(lines) && !until(lines[i]) {
				i++
			}
			return strings.Join(lines[from:i], "\n")
		}
		blank := func(s string) bool { return s == "" }
		if strings.HasPrefix(lines[i], "#") {
			p.prose = take(blank)
			for s := range strings.SplitSeq(p.prose, "\n") {
				if !strings.HasPrefix(s, "#") {
					return nil, fmt.Errorf("line %d: %q in the midst of prose", p.line, s)
				}
			}
		} else {
			p.input = take(func(s string) bool { return s == dashes })
			if i == len(lines) {
				return nil, fmt.Errorf("line %d: no %s ends the commands", p.line, dashes)
			}
			i++
			p.output = take(blank)
		}
		out = append(out, p)
	}
	if len(out) < 2 || !strings.HasPrefix(out[0].prose, "# ") || !slices.ContainsFunc(out, func(p paragraph) bool { return p.input != "" }) {
		return nil, fmt.Errorf("a transcript begins with a title, as in \"# Lockdown: …\", and has commands")
	}
	return out, nil
}

func writeTranscript(all []paragraph) string {
	var b strings.Builder
	for i, p := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		if p.prose != "" {
			b.WriteString(p.prose + "\n")
			continue
		}
		b.WriteString(p.input + "\n" + dashes + "\n")
		if p.output != "" {
			b.WriteString(p.output + "\n")
		}
	}
	return b.String()
}

func transcriptFiles(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(os.DirFS(transcripts), "*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	return files
}

func TestTranscripts(t *testing.T) {
	t.Parallel()
	for _, name := range transcriptFiles(t) {
		t.Run(strings.TrimSuffix(name, ".txt"), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(transcripts, name)
			old, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all, err := readTranscript(string(old))
			if err != nil {
				t.Fatal(err)
			}
			s := newStory(t)
			for i := range all {
				if all[i].input != "" {
					s.line = all[i].line
					all[i].output = s.tell(all[i].input)
				}
			}
			s.replay()
			told := []byte(writeTranscript(all))
			switch {
			case bytes.Equal(old, told) || t.Failed():
			case *update:
				if err := os.WriteFile(path, told, 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("another story; if it is right: go test ./edge/panel -run TestTranscripts -update\n%s", diff.Diff("written", old, "told", told))
			}
		})
	}
}

// TestTranscriptsNamed: the README's tables name every transcript, and none that
// is not there.
func TestTranscriptsNamed(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	named, pairs := map[string]bool{}, 0
	for _, m := range regexp.MustCompile(`testdata/transcripts/([^/\s()]+)\.txt`).FindAllSubmatch(readme, -1) {
		named[string(m[1])+".txt"] = true
	}
	for _, name := range transcriptFiles(t) {
		if !named[name] {
			t.Errorf("README.md does not name testdata/transcripts/%s", name)
		}
		delete(named, name)
		if strings.Contains(name, "-x-") {
			pairs++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		t.Errorf("README.md names testdata/transcripts/%s, which is not there", name)
	}
	if pairs < 45 {
		t.Errorf("%d transcripts of features that meet", pairs)
	}
}

func TestReadTranscript(t *testing.T) {
	t.Parallel()
	const good = "# Title.\n# More.\n\npolicy\n\n[doors.a]\n----\n\ntap p1\n----\nx\n"
	all, err := readTranscript(good)
	if err != nil || writeTranscript(all) != good {
		t.Errorf("%v\n%s", err, writeTranscript(all))
	}
	for _, bad := range []string{"", "tap p1\n----\n", "# Title.\n", "# Title.\n\ntap p1\n", "# Title.\ntap p1\n----\n"} {
		if all, err := readTranscript(bad); err == nil {
			t.Errorf("%q is %+v", bad, all)
		}
	}
}
