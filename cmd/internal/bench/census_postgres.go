package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"tombolo/sync/store/pgtest"
)

var errNoPostgres = errors.New("PostgreSQL is not here (Debian package postgresql), so that nothing is measured on it")

// startPostgres starts a server; url makes an empty database of it.
func startPostgres() (url func() (string, error), stop func(), err error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return nil, nil, err
	}
	if _, err := exec.LookPath("postgres"); err != nil && len(found) == 0 {
		return nil, nil, errNoPostgres
	}
	var by tester
	server, err := tried(func() *pgtest.Server { return pgtest.Own(&by, pgtest.Config{}) })
	if err != nil {
		return nil, nil, err
	}
	return func() (string, error) { return tried(func() string { return server.URL(&by) }) }, by.end, nil
}

// tester is what package pgtest asks for.
type tester struct {
	testing.TB
	cleanups []func()
}

type failure struct{ error }

func (*tester) Helper()                      {}
func (*tester) Fatal(args ...any)            { panic(failure{errors.New(fmt.Sprint(args...))}) }
func (*tester) Fatalf(f string, args ...any) { panic(failure{fmt.Errorf(f, args...)}) }
func (t *tester) Cleanup(f func())           { t.cleanups = append(t.cleanups, f) }

func (t *tester) end() {
	for _, f := range t.cleanups {
		f()
	}
}

func tried[T any](do func() T) (out T, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.error
		default:
			panic(r)
		}
	}()
	return do(), nil
}
