package folder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// ReadFile reads a file of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
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
