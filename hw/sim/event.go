package sim

import (
	"encoding/json"
	"errors"
	"time"
)

// Event is what the board tells: the state of a relay, an input, a channel or a
// reader; one of them is there. A new watcher gets all of them once, and then
// each change.
type Event struct {
	T         time.Time
	Relay     string
	Energised bool // of the relay
	Input     string
	Active    bool     // of the input
	Reading   *Reading // of an ADC's channel
	Shown     *Shown   // by a reader
}

// eventJSON has every field of every event.
type eventJSON struct {
	T         time.Time   `json:"t"`
	Relay     string      `json:"relay,omitempty"`
	Energised *bool       `json:"energised,omitempty"`
	Input     string      `json:"input,omitempty"`
	Active    *bool       `json:"active,omitempty"`
	Channel   *int        `json:"channel,omitempty"`
	Reading   *int        `json:"reading,omitempty"`
	Fault     bool        `json:"fault,omitempty"`
	Reader    string      `json:"reader,omitempty"`
	Exit      bool        `json:"exit,omitempty"`
	Steps     *[]stepJSON `json:"steps,omitempty"`
	Loop      bool        `json:"loop,omitempty"`
}

type stepJSON struct {
	Colour string `json:"colour,omitempty"`
	Beep   bool   `json:"beep,omitempty"`
	For    string `json:"for"` // as time.Duration writes it
}

// MarshalJSON gives one of
//
//	{"t":…,"relay":"front/relay","energised":true}
//	{"t":…,"input":"front/contact","active":true}
//	{"t":…,"channel":3,"reading":512}
//	{"t":…,"channel":3,"fault":true}
//	{"t":…,"reader":"front","steps":[{"colour":"red","beep":true,"for":"100ms"}]}
//
// the last with "exit":true on the way out, and "loop":true for what is shown
// again and again. A new watcher hears that of each reader.
func (e Event) MarshalJSON() ([]byte, error) {
	v := eventJSON{T: e.T}
	switch {
	case e.Shown != nil:
		steps := []stepJSON{}
		for _, s := range e.Shown.Steps {
			steps = append(steps, stepJSON{s.Colour, s.Beep, s.For.String()})
		}
		v.Reader, v.Exit, v.Steps, v.Loop = e.Shown.Mount.Door, e.Shown.Mount.Exit, &steps, e.Shown.Loop
	case e.Reading != nil:
		v.Channel, v.Fault = &e.Reading.Channel, e.Reading.Broken
		if !v.Fault {
			v.Reading = &e.Reading.PerMille
		}
	case e.Relay != "":
		v.Relay, v.Energised = e.Relay, &e.Energised
	default:
		v.Input, v.Active = e.Input, &e.Active
	}
	return json.Marshal(v)
}

// event is what a board wrote, as its client reads it.
func (v eventJSON) event() (Event, error) {
	e := Event{T: v.T}
	switch {
	case v.Reader != "" && v.Steps != nil:
		e.Shown = &Shown{At: v.T, Mount: Mount{v.Reader, v.Exit}, Loop: v.Loop}
		for _, s := range *v.Steps {
			d, err := time.ParseDuration(s.For)
			if err != nil {
				return Event{}, err
			}
			e.Shown.Steps = append(e.Shown.Steps, Step{s.Colour, s.Beep, d})
		}
	case v.Channel != nil && v.Fault:
		e.Reading = &Reading{Channel: *v.Channel, Broken: true}
	case v.Channel != nil && v.Reading != nil:
		e.Reading = &Reading{Channel: *v.Channel, PerMille: *v.Reading}
	case v.Relay != "" && v.Energised != nil:
		e.Relay, e.Energised = v.Relay, *v.Energised
	case v.Input != "" && v.Active != nil:
		e.Input, e.Active = v.Input, *v.Active
	default:
		return Event{}, errors.New("sim: an event of nothing")
	}
	return e, nil
}
