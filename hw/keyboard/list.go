package keyboard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	evdev "github.com/holoplot/go-evdev"
)

// Attached is a keyboard, which may be a scanner: nothing but its name tells.
type Attached struct {
	Path            string // to be used for Config.Device: the stable name if it has one, or else Node
	Node            string // /dev/input/event…, which changes with the order of plugging in
	Name            string // as the kernel says; empty if it could not be asked
	Vendor, Product uint16 // of USB
	Err             error  // it could not be looked at, and may be no keyboard: mostly fs.ErrPermission
}

// List gives the keyboards that are attached, and the input devices that this
// program may not look at, by Path. None is no error.
func List() ([]Attached, error) { return listIn("/dev/input", look) }

func listIn(dir string, look func(node string) (Attached, bool)) ([]Attached, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist): // no input device was ever attached
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("keyboard: %w", err)
	}
	stable := map[string]string{}
	links, _ := os.ReadDir(filepath.Join(dir, "by-id")) // missing without udev
	for _, l := range links {
		link := filepath.Join(dir, "by-id", l.Name())
		if node, err := filepath.EvalSymlinks(link); err == nil && stable[node] == "" {
			stable[node] = link
		}
	}
	var found []Attached
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "event") || e.IsDir() {
			continue
		}
		node := filepath.Join(dir, e.Name())
		a, ok := look(node)
		if !ok {
			continue
		}
		a.Node, a.Path = node, node
		if link := stable[node]; link != "" {
			a.Path = link
		}
		found = append(found, a)
	}
	slices.SortFunc(found, func(a, b Attached) int { return strings.Compare(a.Path, b.Path) })
	return found, nil
}

// look opens a device without taking it. It is false for one that is certainly
// no keyboard.
func look(node string) (Attached, bool) {
	dev, err := evdev.OpenWithFlags(node, os.O_RDONLY)
	switch {
	case os.IsPermission(err):
		return Attached{Err: err}, true
	case err != nil: // it went, or is no input device
		return Attached{}, false
	}
	defer dev.Close()
	if !types(dev.CapableEvents(evdev.EV_KEY)) {
		return Attached{}, false
	}
	var a Attached
	a.Name, a.Err = dev.Name()
	if id, err := dev.InputID(); err == nil {
		a.Vendor, a.Product = id.Vendor, id.Product
	}
	return a, true
}
