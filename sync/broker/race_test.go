//go:build race

package broker_test

// The race detector multiplies memory; the bound is checked without it.
const maxResidentKB = 400 << 10
