package osdp

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Status codes of FTSTAT, OSDP 2.2 §7.25, Table 68.
const (
	fileGoOn       = 0
	fileDone       = 1
	fileRestarting = 2
	fileFinishing  = 3
)

// maxFragment is the data of a FILETRANSFER to a reader that does not say how
// much it can receive: the least that §5.9.3 lets it, 128 bytes a frame.
const maxFragment = 64

// SendFile sends size bytes of r to a reader as a file of the given type
// (FILETRANSFER, §6.19: 1 is opaque, 128 to 255 are the maker's own), and waits
// until the reader has made something of it. progress, which may be nil, hears
// how many bytes have been taken. When ctx ends the transfer is aborted. ErrFile:
// the reader refused it.
func (b *Bus) SendFile(ctx context.Context, address byte, typ byte, r io.Reader, size uint32, progress func(sent uint32)) error {
	err := b.sendFile(ctx, address, typ, r, size, progress)
	if err != nil && ctx.Err() != nil {
		// ctx is over, and the reader shall not wait for more.
		abort, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		b.Abort(abort, address)
	}
	return err
}

func (b *Bus) sendFile(ctx context.Context, address byte, typ byte, r io.Reader, size uint32, progress func(sent uint32)) error {
	fragment, err := b.fragmentSize(ctx, address)
	if err != nil {
		return err
	}
	buf := make([]byte, maxFrame)
	for offset := uint32(0); ; {
		n := min(uint32(fragment), size-offset)
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return fmt.Errorf("osdp: file is shorter than %d bytes: %w", size, err)
		}
		reply, err := b.ask(ctx, address, sendFragment(typ, size, offset, buf[:n]))
		if err != nil {
			return err
		}
		status, ok := reply.(replyFile)
		if !ok {
			return fmt.Errorf("%w: %T to FILETRANSFER", ErrReply, reply)
		}
		if status.status < 0 {
			return fmt.Errorf("%w: %s", ErrFile, fileText(status.status))
		}
		offset += n
		if progress != nil {
			progress(offset)
		}
		if offset == size && status.status != fileFinishing {
			return nil
		}
		// Table 68: from now on no message is larger than that.
		if m := int(status.maxMessage); m > 0 {
			fragment = max(min(fragment, m-fileHeader), 1)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(status.delay) * time.Millisecond):
		}
	}
}

// fragmentSize is how much of a file one message to the reader carries.
func (b *Bus) fragmentSize(ctx context.Context, address byte) (int, error) {
	size, err := make(chan int, 1), ErrUnknownReader
	for _, c := range b.cfg.Readers {
		if c.Address == address {
			err = nil
		}
	}
	if err != nil {
		return 0, err
	}
	err = b.post(address, func(r *reader, _ time.Time) {
		n := maxFragment
		if limit := r.identity.Capabilities.ReceiveBuffer(); limit > 0 {
			n = max(r.fits(limit)-fileHeader, 1)
		}
		size <- n
	})
	if err != nil {
		return 0, err
	}
	select {
	case n := <-size:
		return n, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func fileText(status int16) string {
	switch status {
	case -1:
		return "it aborted the transfer"
	case -2:
		return "it does not recognise the contents"
	case -3:
		return "the contents are malformed"
	default:
		return fmt.Sprintf("status %d", status)
	}
}
