package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const notifySocket = "/run/notify"

// listen shows what programs tell their service manager.
func listen() error {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notifySocket, Net: "unixgram"})
	if err != nil {
		return err
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				fmt.Println("guest: notify:", err)
				return
			}
			for state := range strings.Lines(string(buf[:n])) {
				fmt.Println("guest: notify:", strings.TrimSpace(state))
			}
		}
	}()
	return nil
}

func setClock(text string) error {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	t := unix.NsecToTimeval(ms * 1e6)
	return unix.Settimeofday(&t)
}

// show writes a file to the console in lines that a terminal can take.
func show(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(data) // to memory
	z.Close()
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(packed.Bytes())), 1000) {
		fmt.Printf("guest: data %s\n", line)
	}
	return nil
}
