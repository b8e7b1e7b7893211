//go:build !race

package broker_test

// maxResidentKB is for a process that is a broker of ten clients. The daemon
// has 96 MB for everything.
const maxResidentKB = 48 << 10
