package link

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// childBroker tells the test's own binary to be a participant that runs until it
// is killed.
const childBroker = "TOMBOLO_LINK_CHILD"

func TestMain(m *testing.M) {
	address := os.Getenv(childBroker)
	if address == "" {
		os.Exit(m.Run())
	}
	events := make(chan Event)
	l, err := Open(config("a child", address), events)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go l.Run(context.Background())
	for range events { // never closed
	}
}
