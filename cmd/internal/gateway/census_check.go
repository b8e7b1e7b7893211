package gateway

import (
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/ledger"
)

// census tells what a retention that is shorter than an epoch costs it.
func (f *findings) census(w *wiring.Wiring, epochs []folder.Epoch, now time.Time) {
	keep, grace := w.Retention.DoorLog, w.Census.Grace
	if grace == 0 {
		grace = wiring.DefaultCensusGrace
	}
	for _, e := range epochs {
		f.retention(keep, grace, e.Opened, now)
	}
}

func (f *findings) retention(keep, grace time.Duration, e *ledger.EpochOpened, now time.Time) {
	lasts := time.Duration(e.Closes-e.Opens)*time.Second + grace
	audited := time.Duration(e.Audit-e.Closes) * time.Second
	switch {
	case keep == 0 || now.Unix() >= e.Audit:
	case keep < lasts && now.Before(time.Unix(e.Closes, 0).Add(grace)):
		f.add(Fault, "census", "the door log lets go of what is older than %v, and epoch %d is reported %v after it opened: whoever was here early and not again is not counted; set door_log in [retention] to more", keep, e.Number, lasts)
	case keep < audited:
		f.add(Note, "census", "the door log lets go of what is older than %v, and epoch %d is audited for %v after its close: what is drawn late cannot be opened, and counts against it; set door_log in [retention] to more", keep, e.Number, audited)
	}
}
