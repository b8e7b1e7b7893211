package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// bar draws on a terminal how far long work is, and how long it still takes.
type progressBar struct {
	out   io.Writer
	stage string
	began time.Time
	shown time.Time
	drawn bool
}

// stages is progress of work in stages, each of so many steps; nil where nobody
// would see it.
func (e *env) stages() *progressBar {
	if !terminal(e.Err) {
		return nil
	}
	return &progressBar{out: e.Err}
}

const (
	barEvery = 100 * time.Millisecond
	barAfter = 300 * time.Millisecond // what is done before anybody can read is not drawn
)

// at says how far a stage is; total 0 is unknown.
func (b *progressBar) at(stage string, done, total int64) {
	if b == nil {
		return
	}
	now := time.Now()
	if stage != b.stage {
		b.end()
		b.stage, b.began, b.shown = stage, now, now
	}
	if now.Sub(b.began) < barAfter || now.Sub(b.shown) < barEvery && done != total {
		return
	}
	b.shown, b.drawn = now, true
	fmt.Fprint(b.out, "\r\x1b[K", barLine(stage, done, total, now.Sub(b.began)))
}

// end takes the bar away.
func (b *progressBar) end() {
	if b != nil && b.drawn {
		fmt.Fprint(b.out, "\r\x1b[K")
		b.drawn = false
	}
}

func barLine(stage string, done, total int64, took time.Duration) string {
	if total <= 0 {
		return fmt.Sprintf("%-10s %d", stage, done)
	}
	done = min(max(done, 0), total)
	const width = 30
	full := int(float64(done) / float64(total) * width)
	line := fmt.Sprintf("%-10s [%s%s] %3d%%", stage, strings.Repeat("#", full), strings.Repeat(".", width-full), int(float64(done)/float64(total)*100))
	if done > 0 && done < total {
		left := time.Duration(float64(took) * float64(total-done) / float64(done))
		line += fmt.Sprintf("  %v left", left.Round(time.Second))
	}
	return line
}
