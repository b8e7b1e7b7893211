package folder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// WriteFile replaces the file at path with data, at once and durably, or leaves
// it as it was.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	return WriteTo(path, perm, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteTo is [WriteFile] for content that write produces.
func WriteTo(path string, perm os.FileMode, write func(io.Writer) error) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	err = write(temp)
	err = errors.Join(err, temp.Chmod(perm), temp.Sync(), temp.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ErrNotPlain says that something stands where a file is wanted.
var ErrNotPlain = errors.New("not a plain file: put the file itself there")

// OpenFile opens a plain file, or a link to one, for reading. It never waits, as
// for somebody to write to a named pipe: it returns [ErrNotPlain].
func OpenFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, ErrNotPlain)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ReadFile reads a plain file of at most limit bytes, see [OpenFile].
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := OpenFile(path)
	return readAll(f, err, path, limit)
}

// ReadStream is ReadFile for what somebody at a terminal names, which may be a
// pipe: they see that it waits.
func ReadStream(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	return readAll(f, err, path, limit)
}

func readAll(f *os.File, err error, path string, limit int64) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes: it is not the file that is wanted here", path, limit)
	}
	return b, nil
}

// Errors of [DecodeJSON].
var (
	ErrJSON    = errors.New("not the JSON that is wanted here")
	ErrRewrote = errors.New("the file was edited or re-encoded; use it as it was written")
)

// EncodeJSON is the one form in which this package writes v to a file.
func EncodeJSON(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	return append(b, '\n'), err
}

// DecodeJSON reads what [EncodeJSON] wrote into v and nothing else: no unknown
// or doubled key, no other order, no other spacing.
func DecodeJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrJSON, err)
	}
	again, err := EncodeJSON(v)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrJSON, err)
	}
	if !bytes.Equal(again, data) {
		return ErrRewrote
	}
	return nil
}
