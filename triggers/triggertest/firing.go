package triggertest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/hearken-go/hearken"
)

// NewFiring returns the first attempt of a firing of pipeline "pipeline", sensor
// "sensor", action "action", over one event for each dependency. What an event leaves empty of
// id, source and subject is stamped as Output.Emit does, but from the
// dependency alone; the events of the map are not changed, and must have a
// Context. Equal events give an equal ID.
func NewFiring(events map[*hearken.Dependency]hearken.Event) hearken.Firing {
	f := hearken.Firing{
		Pipeline: "pipeline",
		Sensor:   "sensor",
		Action:   "action",
		Attempt:  1,
		Events:   make(map[string]hearken.Event, len(events)),
	}
	for d, e := range events {
		f.Events[name(d)] = stamped(e.Clone(), d)
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(f.Events)) {
		e := f.Events[name]
		fmt.Fprintf(h, "%q%q%q%q", name, e.Source(), e.ID(), e.Data())
	}
	f.ID = hex.EncodeToString(h.Sum(nil)[:16])
	return f
}

func name(d *hearken.Dependency) string {
	if d.Name == "" && d.EventSource != nil {
		return d.EventSource.Event
	}
	return d.Name
}

func stamped(e hearken.Event, d *hearken.Dependency) hearken.Event {
	if e.ID() == "" {
		e.SetID(name(d) + "-1")
	}
	if d.EventSource == nil {
		return e
	}
	if e.Source() == "" {
		e.SetSource(d.EventSource.Name)
	}
	if e.Subject() == "" {
		e.SetSubject(d.EventSource.Event)
	}
	return e
}
