package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// check refuses flags before anything is done.
func (f *hubFlags) check(c *cobra.Command) error {
	for name, address := range map[string]string{"listen": f.listen, "http": f.http} {
		if err := checkAddress(address); err != nil {
			return usage("--%s %q: %w", name, address, err)
		}
	}
	for _, b := range f.brokers {
		if rest, ok := strings.CutPrefix(b, "tls://"); !ok || rest == "" || strings.ContainsAny(rest, "/\"\\ \n") {
			return usage("--broker %q: want tls://HOST or tls://HOST:PORT", b)
		}
	}
	if len(f.brokers) > 3 { // and the own one
		return usage("%s: --broker %d times; a hub has at most 3", c.CommandPath(), len(f.brokers))
	}
	return nil
}

// checkAddress refuses what is no address to listen at.
func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("want ADDRESS:PORT, or :PORT for every address")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 || strconv.Itoa(n) != port {
		return fmt.Errorf("want a port from 0 to 65535")
	}
	if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		return fmt.Errorf("want an address of this machine, not a name")
	}
	return nil
}
