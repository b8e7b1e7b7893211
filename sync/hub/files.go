package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// The files of an epoch, below <Dir>/epochs/<id>: the list, and what it covers as
// census.MarshalCovers writes it. Both are there whole or not at all.
const (
	listFile   = "list"
	coversFile = "covers"
)

// lists are the files of closed epochs. One that was asked for stays mapped, as
// long as the process: that takes addresses, and of memory what the system spares.
type lists struct {
	dir string

	opening sync.Mutex // held while one is opened
	mu      sync.Mutex
	open    map[listKey]mapped // under mu
}

// mapped is a list that was verified, and the file that it was.
type mapped struct {
	list *census.List
	file fileID
}

// fileID is a file at one moment: what is written to it, or put in its place, is
// another.
type fileID struct {
	dev, ino uint64
	size     int64
	changed  syscall.Timespec
}

func idOfFile(i fs.FileInfo) (id fileID) {
	id.size = i.Size()
	if s, ok := i.Sys().(*syscall.Stat_t); ok {
		id.dev, id.ino, id.changed = s.Dev, s.Ino, s.Ctim
	}
	return id
}

// listKey is an epoch and what it was closed with.
type listKey struct {
	epoch ledger.EpochID
	root  [32]byte
}

func newLists(dir string) *lists {
	return &lists{dir: filepath.Join(dir, "epochs"), open: map[listKey]mapped{}}
}

func (l *lists) path(epoch ledger.EpochID, name string) string {
	return filepath.Join(l.dir, epoch.String(), name)
}

// write puts a file of an epoch in its place, durably.
func (l *lists) write(epoch ledger.EpochID, name string, data []byte) error {
	dir := filepath.Join(l.dir, epoch.String())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, d := range []string{filepath.Dir(l.dir), l.dir} {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(dir, "."+name+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(dir)
}

// clean takes away what a process that was killed left half written.
func (l *lists) clean(epoch ledger.EpochID) {
	left, _ := filepath.Glob(filepath.Join(l.dir, epoch.String(), ".*"))
	for _, name := range left {
		os.Remove(name)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// get is an epoch's list if its file is there and is the one with that size and
// root; an error that wraps fs.ErrNotExist otherwise, as it is to be made again. A
// file is verified once, and again when it has changed.
func (l *lists) get(epoch ledger.EpochID, root [32]byte, size uint64) (*census.List, error) {
	key := listKey{epoch, root}
	if found := l.mapped(key); found != nil {
		return found, nil
	}
	l.opening.Lock()
	defer l.opening.Unlock()
	if found := l.mapped(key); found != nil {
		return found, nil
	}
	f, err := os.Open(l.path(epoch, listFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != int64(size)*ledger.TagSize {
		return nil, fmt.Errorf("the list of epoch %v has %d bytes: %w", epoch, info.Size(), fs.ErrNotExist)
	}
	data, err := mapFile(f, int(info.Size()))
	if err != nil {
		return nil, err
	}
	var list *census.List
	err = guarded(func() (err error) { // all of it
		list, err = census.NewList(data)
		return err
	})
	if err == nil && rootOf(list, nil) != root {
		err = errors.New("it has another root")
	}
	if err != nil {
		return nil, fmt.Errorf("the list of epoch %v: %w: %w", epoch, err, fs.ErrNotExist)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[key] = mapped{list, idOfFile(info)}
	return list, nil
}

// mapped is a list that was verified, if its file is still the same.
func (l *lists) mapped(key listKey) *census.List {
	info, err := os.Stat(l.path(key.epoch, listFile))
	l.mu.Lock()
	defer l.mu.Unlock()
	m, ok := l.open[key]
	if !ok {
		return nil
	}
	if err != nil || idOfFile(info) != m.file {
		delete(l.open, key) // whoever reads it now reads on
		return nil
	}
	return m.list
}

// file opens the file of a list that get has verified; fs.ErrNotExist if it is
// another by now.
func (l *lists) file(epoch ledger.EpochID, root [32]byte) (*os.File, error) {
	f, err := os.Open(l.path(epoch, listFile))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	l.mu.Lock()
	m, ok := l.open[listKey{epoch, root}]
	l.mu.Unlock()
	if err == nil && (!ok || idOfFile(info) != m.file) {
		err = fmt.Errorf("the list of epoch %v changed: %w", epoch, fs.ErrNotExist)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// errFault: the disk does not give a page of a list, or the file was cut short.
var errFault = errors.New("the list's file cannot be read any more")

// guarded does something that reads a mapped list, in this goroutine: what cannot be
// read is an error, and not the end of the process.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // of runtime.Error
			err = errFault
		default:
			panic(r)
		}
	}()
	return do()
}

// mapFile maps a file to be read. A list is never written to: it is replaced.
func mapFile(f *os.File, size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	return data, nil
}

// rootOf is List.Root on all processors.
func rootOf(l *census.List, progress func(done, total int64)) [32]byte {
	spread(l.Parts(), 64, func(lo, hi int) { l.HashParts(lo, hi) }, func(done int) {
		if progress != nil {
			progress(min(int64(done)*256, l.Len()), l.Len())
		}
	})
	root := l.Root(nil)
	if progress != nil {
		progress(l.Len(), l.Len())
	}
	return root
}

// merge is census.Merge on all processors.
func merge(tags []byte, progress func(done, total int64)) []byte {
	parts := census.Split(tags)
	total := int64(len(tags) / ledger.TagSize)
	spread(len(parts), 1, func(lo, hi int) {
		for _, p := range parts[lo:hi] {
			census.SortPart(p)
		}
	}, func(done int) {
		if progress != nil {
			progress(total*int64(done)/int64(len(parts)), total)
		}
	})
	return census.Distinct(tags)
}

// spread does n things, some at a time, on all processors; after is called by one
// goroutine at a time with how many are done.
func spread(n, some int, do func(lo, hi int), after func(done int)) {
	var mu sync.Mutex
	var all sync.WaitGroup
	next, done := 0, 0
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				mu.Lock()
				lo := next
				hi := min(n, lo+some)
				next = hi
				mu.Unlock()
				if lo >= hi {
					return
				}
				do(lo, hi)
				mu.Lock()
				done += hi - lo
				after(done)
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// coversPin is the name under which the store keeps what a close covers.
func coversPin(hash [32]byte) string { return fmt.Sprintf("hub/covers/%x", hash) }

func coversHash(b []byte) [32]byte { return sha256.Sum256(b) }

// coversSalt is a covered report's. It follows from the hub's own key: every process
// of the hub closes with the same hash, however often it begins.
func (h *Hub) coversSalt(epoch ledger.EpochID, o ledger.Origin) [32]byte {
	m := hmac.New(sha256.New, h.cfg.Author.Seed())
	m.Write(slices.Concat([]byte("tombolo/v1/hub/covers\n"), epoch[:], []byte(o.String())))
	return [32]byte(m.Sum(nil))
}
