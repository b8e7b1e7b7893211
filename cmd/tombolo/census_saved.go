package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"tombolo/cmd/internal/folder"
)

// What a hub answered is kept as files of these names, one for each question, so
// that an audit can be done again without the hub: the answer's bytes, as they
// came. Nothing in them is trusted more than the hub was.

const (
	maxSavedName = 200
	savedSuffix  = ".answer"
)

var errNotSaved = errors.New("the saved files do not hold this answer: save them again with `tombolo census audit --hub URL --save DIR`")

// savedName is the file of an answer: the request's path with what a file's name
// cannot hold put otherwise, and the hash of its query, which can be long.
func savedName(r *http.Request) (string, error) {
	name := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if q := r.URL.Query().Encode(); q != "" {
		name += fmt.Sprintf("?%x", sha256.Sum256([]byte(q)))[:33]
	}
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
			b.WriteByte(c)
		case c == '/':
			b.WriteByte('+')
		default:
			fmt.Fprintf(&b, "=%02x", c)
		}
	}
	if b.Len() == 0 || b.Len() > maxSavedName {
		return "", fmt.Errorf("a question of %d characters", b.Len())
	}
	return b.String() + savedSuffix, nil
}

// savedAnswers answers from the files in a folder, as the hub did.
type savedAnswers struct{ root *os.Root }

func (s savedAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	name, err := savedName(r)
	if err != nil {
		return nil, err
	}
	f, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (%s)", errNotSaved, name)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", name, folder.ErrNotPlain)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: f, ContentLength: info.Size(), Request: r,
	}, nil
}

// savingAnswers keeps every whole answer in a folder.
type savingAnswers struct {
	next http.RoundTripper
	dir  string
}

func (s savingAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Range") != "" {
		r = r.Clone(r.Context())
		r.Header.Del("Range") // it is kept whole
	}
	name, err := savedName(r)
	if err != nil {
		return nil, err
	}
	resp, err := s.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	temp, err := os.CreateTemp(s.dir, ".saving-*")
	if err != nil {
		return nil, errors.Join(err, resp.Body.Close())
	}
	resp.Body = &savingBody{ReadCloser: resp.Body, temp: temp, path: filepath.Join(s.dir, name)}
	return resp, nil
}

// savingBody writes what is read, and puts it in its place once it was read to
// its end.
type savingBody struct {
	io.ReadCloser
	temp  *os.File
	path  string
	whole bool
	err   error
}

func (b *savingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && b.err == nil {
		_, b.err = b.temp.Write(p[:n])
	}
	if err == io.EOF {
		b.whole = true
	}
	if b.err != nil {
		return n, b.err
	}
	return n, err
}

func (b *savingBody) Close() error {
	if !b.whole && b.err == nil {
		// A reader that knows the length stops before the end is told.
		rest, err := io.CopyN(b.temp, b.ReadCloser, 1)
		b.whole = rest == 0 && err == io.EOF
	}
	err := errors.Join(b.ReadCloser.Close(), b.err, b.temp.Sync(), b.temp.Close())
	if err != nil || !b.whole {
		return errors.Join(err, os.Remove(b.temp.Name()))
	}
	return os.Rename(b.temp.Name(), b.path)
}
