//go:build pcsc

package nfc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ebfe/scard"

	"tombolo/passport/card"
)

const (
	statusTime = 500 * time.Millisecond // of one wait for a change; bounds how long a change or a SCardCancel that got lost matters
	settleTime = 10 * time.Millisecond
	heldTime   = time.Second           // what another program may take to look at a card that came
	muteTime   = time.Second           // what a card that is half in the field may take until it answers to being powered
	connectGap = 30 * time.Millisecond // between two attempts
	patience   = 6 * time.Second       // what a call may take on top of its time: ISO 14443-4 §7.2 allows a card 4.9 s to answer
)

// PCSCReaders gives the names of the attached PC/SC readers, as pcscd calls
// them. None is no error.
func PCSCReaders(ctx context.Context) ([]string, error) {
	w, err := newWorker()
	if err != nil {
		return nil, err
	}
	readers, err := call(ctx, w, openTime, w.establish)
	if stopErr := w.stop(); err == nil {
		err = stopErr
	}
	return readers, err
}

// OpenPCSC opens a PC/SC reader by its name, or by a part of it that no other
// attached reader's name has, whatever the case; empty is the only one there
// is. pcscd ends each name with two numbers that depend on the order of
// plugging in: leave them out.
//
// Each card is connected to exclusively, so that no other program talks to it
// during a tap; one that another program holds for longer than a second is
// ErrHeld. Between cards other programs may use the reader.
//
// A PC/SC reader chooses among several cards by itself. Most report the first
// that they find, and then only that one is read; some report a card that does
// not answer, which is ErrNotISO here; none says that there are two, so
// ErrSeveral does not come from PC/SC.
//
// SCardTransmit cannot be cancelled. A card that does not answer in its time is
// card.ErrGone for whoever asked it; the reader is then waited for, because the
// driver has its own limit, and given up as ErrStuck if it does not come back.
// It is opened again as soon as the driver returned, and not before.
func OpenPCSC(ctx context.Context, name string) (Field, error) {
	return openPCSC(ctx, name, patience)
}

func openPCSC(ctx context.Context, name string, patience time.Duration) (Field, error) {
	w, err := newWorker()
	if err != nil {
		return nil, err
	}
	readers, err := call(ctx, w, openTime, w.establish)
	if err == nil {
		name, err = pickReader(readers, name)
	}
	if err == nil {
		err = w.claim(name)
	}
	if err != nil {
		_ = w.stop() // whatever keeps it has kept the call above
		return nil, err
	}
	return &pcscField{w: w, reader: name, patience: patience}, nil
}

type pcscField struct {
	w        *worker
	reader   string
	patience time.Duration
	card     *pcscCard
	closed   bool

	// What is in the field: pcscd counts what comes and goes, modulo 65536, so
	// that a card which was exchanged for another between two looks is seen.
	held  bool
	count scard.StateFlag
}

// status is what a reader reports.
type status struct {
	flags scard.StateFlag // with the count of events in the upper half
	atr   []byte
}

func (s status) present() bool          { return s.flags&scard.StatePresent != 0 }
func (s status) count() scard.StateFlag { return s.flags >> 16 }

// look returns once the reader's status is another than the one that is known
// (scard.StateUnaware: at once), and at the latest after statusTime, with the
// same one.
func (f *pcscField) look(ctx context.Context, known scard.StateFlag) (status, error) {
	s, err := call(ctx, f.w, statusTime+f.patience, func() (status, error) {
		cancelled := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(cancelled)
			_ = f.w.context.Cancel() // statusTime ends the wait as well
		})
		rs := []scard.ReaderState{{Reader: f.w.pin(f.reader), CurrentState: known}}
		err := f.w.context.GetStatusChange(rs, statusTime)
		if !stop() {
			<-cancelled
		}
		switch {
		case errors.Is(err, scard.ErrTimeout), errors.Is(err, scard.ErrCancelled):
			return status{flags: known}, nil
		case err != nil:
			return status{}, explain(f.w.diagnose(err))
		}
		return status{rs[0].EventState &^ scard.StateChanged, rs[0].Atr}, nil
	})
	switch {
	case err != nil:
		return status{}, fmt.Errorf("%w: %s", err, f.reader)
	case ctx.Err() != nil:
		return status{}, ctx.Err()
	case s.flags&(scard.StateUnknown|scard.StateUnavailable) != 0:
		return status{}, fmt.Errorf("%w: %s", ErrUnplugged, f.reader)
	}
	return s, nil
}

func (f *pcscField) Wait(ctx context.Context) (card.Transceiver, error) {
	s, err := f.look(ctx, scard.StateUnaware)
	for err == nil && !s.present() {
		s, err = f.look(ctx, s.flags)
	}
	if err != nil {
		return nil, err
	}
	f.held, f.count = true, s.count()
	if storageCard(s.atr) {
		return nil, ErrNotISO
	}
	if err := f.connect(ctx); err != nil {
		return nil, err
	}
	// pcscd shows a card a moment before it has counted it.
	if s, err := f.look(ctx, scard.StateUnaware); err == nil && s.present() {
		f.count = s.count()
	}
	f.card = newPCSCCard(ctx, f.w)
	return f.card, nil
}

// connect tries until the card answers, or has had its time.
func (f *pcscField) connect(ctx context.Context) error {
	began := time.Now()
	for {
		atr, err := call(ctx, f.w, f.patience, func() (atr []byte, err error) {
			f.w.disconnect()
			f.w.card, err = f.w.context.Connect(f.reader, scard.ShareExclusive, scard.ProtocolAny)
			if err != nil {
				return nil, f.w.diagnose(err)
			}
			s, err := f.w.card.Status()
			if err != nil {
				return nil, err
			}
			if p := f.w.card.ActiveProtocol(); p != scard.ProtocolT0 && p != scard.ProtocolT1 {
				return nil, scard.ErrProtoMismatch
			}
			return s.Atr, nil
		})
		spent := time.Since(began)
		switch e, ours := errors.AsType[scard.Error](err); {
		case err == nil && storageCard(atr):
			return ErrNotISO
		case err == nil:
			return nil
		case !ours: // ctx ended, or the worker is stuck
			return err
		case e == scard.ErrNoSmartcard, e == scard.ErrRemovedCard:
			return fmt.Errorf("nfc: %w (%w)", card.ErrGone, err)
		case e == scard.ErrUnsupportedCard, e == scard.ErrInvalidAtr:
			return fmt.Errorf("%w (%w)", ErrNotISO, err)
		case e == scard.ErrSharingViolation && spent > heldTime:
			return fmt.Errorf("%w (%s)", ErrHeld, f.reader)
		case e == scard.ErrSharingViolation:
		case !mute(e):
			return explain(err)
		case spent > muteTime:
			return fmt.Errorf("%w: it does not answer (%w)", ErrNotISO, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(connectGap):
		}
	}
}

// mute are the errors of a card that is there and does not answer, which one
// does as well that is only half in the field yet. A protocol mismatch is among
// them, because pcscd 1.9 reports a card that it is just about to power as one
// without a protocol.
func mute(e scard.Error) bool {
	switch e {
	case scard.ErrUnresponsiveCard, scard.ErrUnpoweredCard, scard.ErrResetCard, scard.ErrNotTransacted, scard.ErrProtoMismatch:
		return true
	}
	return false
}

func (f *pcscField) Left(ctx context.Context) error {
	if f.card != nil {
		f.card.end()
		f.card = nil
	}
	// Waits for a Transmit that was given up.
	if _, err := call(ctx, f.w, f.patience, func() (struct{}, error) {
		f.w.disconnect()
		return struct{}{}, nil
	}); err != nil {
		return fmt.Errorf("%w: %s", err, f.reader)
	}
	known, gone := scard.StateUnaware, false
	for {
		s, err := f.look(ctx, known)
		if err != nil {
			return err
		}
		if !f.held && s.present() {
			f.held, f.count = true, s.count()
		}
		was := gone
		gone = !s.present() || s.count() != f.count
		switch {
		case gone && was:
			f.held = false
			return nil
		case gone:
			// Once more: libpcsclite keeps what pcscd reports in one place for
			// all contexts of the process, where an older report to another
			// reader's worker can overwrite a newer one.
			known = scard.StateUnaware
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(settleTime):
			}
		default:
			known = s.flags
		}
	}
}

func (f *pcscField) Close() error {
	if f.card != nil {
		f.card.end()
	}
	if f.closed {
		return nil
	}
	f.closed = true
	return f.w.stop()
}
