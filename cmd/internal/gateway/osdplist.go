package gateway

import "tombolo/cmd/internal/wiring"

// WiredOSDP are the OSDP readers of a wiring, by door, with what its folder
// knows of them; whether they are online only the daemon knows.
func WiredOSDP(w *wiring.Wiring) ([]OSDPReader, error) {
	installed, err := ReadInstalled(w.Data)
	return wiredOSDP(w, func(p Place) *Installed {
		for n := range installed {
			if installed[n].Place == p {
				return &installed[n]
			}
		}
		return nil
	}), err
}

func wiredOSDP(w *wiring.Wiring, installed func(Place) *Installed) (out []OSDPReader) {
	for _, d := range doorsOf(w) {
		for i, r := range d.Readers {
			if r.Kind != wiring.OSDP {
				continue
			}
			at := Place{r.Bus, r.Address}
			out = append(out, OSDPReader{
				Place: at, Door: d.Name, Reader: i + 1, Exit: r.Side == wiring.Out, Insecure: r.Insecure, Installed: installed(at),
			})
		}
	}
	return out
}
