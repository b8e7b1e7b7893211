package vpcd

import (
	"net"
	"syscall"
)

// quickAck has the kernel acknowledge what was read at once: the driver sends
// without TCP_NODELAY, and would wait 40 ms for it with each APDU. It holds for
// a while only, tcp(7), and does not matter where it fails.
func quickAck(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
		})
	}
}
