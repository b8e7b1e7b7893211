package wiring

import (
	"tombolo/edge/door"
	"tombolo/edge/strict"
)

type channelID struct {
	adc     string
	channel int
}

// supervised reads an input that hangs on an ADC.
func (b *builder) supervised(path strict.Path, name string, f *fileInput) *Input {
	s := &Supervised{NormallyOpen: f.NormallyOpen != nil && *f.NormallyOpen}
	in := &Input{Line: Line{Name: name}, Supervised: s}
	b.none(path, "a supervised input has none: its line is the adc's channel", "line")
	b.none(path, "a supervised input has none: its resistors are pull, series and parallel", "bias")
	b.none(path, "a supervised input has none: say normally_open = true if its contact is open while nothing is the matter, as a button's is", "active_low")
	if f.ADC != nil {
		s.ADC = *f.ADC
		switch {
		case s.ADC == SimADC:
			b.sims = append(b.sims, path.With("adc"))
		case b.adcs[s.ADC] == nil:
			b.doc.Reject(path.With("adc"), `there is no adc %s%s`, strict.Quote(s.ADC), strict.Hint(s.ADC, append(b.doc.Keys("adcs"), SimADC), ""))
		default:
			b.used["adcs."+s.ADC] = true
		}
	}
	complete := true
	for _, r := range []struct {
		key, missing string
		value        *Ohms
		to           *Ohms
	}{
		{"pull", "give the pull-up resistor at the adc, as in \"2.2k\"", f.Pull, &s.Pull},
		{"series", "give the resistor in series with the contact, as in \"1k\"", f.Series, &s.Series},
		{"parallel", "give the resistor in parallel to the contact, as in \"1k\"", f.Parallel, &s.Parallel},
	} {
		if r.value == nil {
			complete = false
			b.doc.Reject(path.With(r.key), "missing: %s", r.missing)
			continue
		}
		*r.to = *r.value
		complete = complete && *r.value > 0 // of a value that was refused nothing is left
	}
	if complete {
		bands, err := door.BandsOf(int(s.Pull), int(s.Series), int(s.Parallel))
		if err != nil {
			b.doc.Reject(path.With("pull"), "%v", err)
		}
		if s.Bands = bands; s.NormallyOpen {
			s.Bands = bands.NormallyOpen()
		}
	}
	if f.Channel == nil {
		b.doc.Reject(path.With("channel"), "missing: give the number of the adc's channel, from 0")
		return in
	}
	s.Channel = *f.Channel
	if a := b.adcs[s.ADC]; a != nil && s.Channel >= adsChannels {
		b.doc.Reject(path.With("channel"), "an %v has the channels 0 to %d, got %d", a.Kind, adsChannels-1, s.Channel)
		return in
	}
	id := channelID{s.ADC, s.Channel}
	if owner, taken := b.channels[id]; taken {
		b.doc.Reject(path.With("channel"), "channel %d of %s is %s already", s.Channel, strict.Quote(s.ADC), owner)
		return in
	}
	b.channels[id] = name
	return in
}
