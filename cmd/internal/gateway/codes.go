package gateway

import (
	"context"
	"log/slog"

	"tombolo/cmd/internal/wiring"
	"tombolo/hw/keyboard"
	"tombolo/hw/scanner"
	"tombolo/passport/qr"
)

// readCodes runs a scanner, on a serial port or one that types.
func (rd *reading) readCodes(ctx context.Context, r reader, log *slog.Logger, tried func()) error {
	unread := newUnread(ctx, r, rd.to, log)
	defer unread.stop()
	frame := func(frame []byte) {
		if _, err := qr.Decode(frame); err != nil {
			unread.refused(err)
			return
		}
		if err := rd.to.Code(ctx, r.door, r.exit, frame); err != nil && ctx.Err() == nil {
			log.Error("a code was not decided", "err", err)
		}
	}
	state := rd.state(ctx, r.name, "no reader at "+r.cfg.Port, tried)
	if r.cfg.Kind == wiring.Keyboard {
		return keyboard.Run(ctx, keyboard.Config{Device: r.cfg.Port, Log: log, Frame: frame, Refused: unread.refused, State: state})
	}
	return scanner.Run(ctx, scanner.Config{Port: r.cfg.Port, Baud: r.cfg.Baud, Log: log, Frame: frame, Refused: unread.refused, State: state})
}
