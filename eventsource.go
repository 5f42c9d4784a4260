package hearken

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
)

// Event is a CloudEvent 1.0: the SDK's own type. An event that was received is
// shared with others and must not be changed; Clone it first. The zero value has
// no version and panics when it is set: begin with NewEvent, or the SDK's New.
type Event = event.Event

// NewEvent returns an event of the given type with data as JSON. The id names
// the happening, not its content: give the same id to the same happening and
// the bus drops the second. With an empty id the pipeline makes one up when the
// event is emitted.
//
// data is marshalled by encoding/json; a []byte or json.RawMessage is taken as
// JSON as it is.
func NewEvent(typ, id string, data any) (Event, error) {
	raw, ok := data.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(data); err != nil {
			return Event{}, fmt.Errorf("data of event %q: %w", typ, err)
		}
	}
	json := event.ApplicationJSON
	return Event{
		Context:     &event.EventContextV1{ID: id, Type: typ, DataContentType: &json},
		DataEncoded: raw,
	}, nil
}

// Source turns what happens somewhere into events.
type Source interface {
	// Run emits events through out until ctx ends, and then returns soon: nil
	// or ctx's error. Nil before ctx has ended means that the source has
	// finished. Any other error is logged, and Run is called again after a
	// backoff; a Permanent error ends the pipeline's Run. Run is not called
	// concurrently for one event source.
	//
	// A source settles upstream (answers 2xx, deletes, commits) only after
	// Emit returned nil. An error of Emit is about that event: one that
	// IsPermanent is upstream's to be told of, and the source goes on; after any
	// other it waits and emits the same event, with the same id, again. A source
	// that returns it instead is run again after the backoff, also when it
	// IsPermanent.
	Run(ctx context.Context, out Output) error
}

// Reporter is implemented by a source that deals with trouble by itself, or
// counts what the pipeline cannot see, so that Health shows it.
type Reporter interface {
	// Report is called at any time, concurrently, before Run too. It asks nobody
	// and returns at once.
	Report() Report
}

// Report is what a source says of itself. Who gives it does not change it
// afterwards.
type Report struct {
	// Trouble is what keeps the source from seeing all that happens, and since
	// when: upstream is away, a right is missing. Nil: nothing does, as far as it
	// knows.
	Trouble *LastError
	// Counters count, by a name in the style of Health's JSON, what is of interest
	// in this kind of source; since the process began.
	Counters map[string]uint64
}

// SourceFunc is a function that is a Source.
type SourceFunc func(ctx context.Context, out Output) error

// Run calls f.
func (f SourceFunc) Run(ctx context.Context, out Output) error { return f(ctx, out) }

// Output is what a Source is given to work with.
type Output struct {
	// Topic is where the events go.
	Topic bus.Topic

	// Emit publishes an event. What e leaves empty is stamped: id, source (the
	// event source's name), subject (the event's name) and time. Emit may be
	// called concurrently, and nobody may change e afterwards.
	//
	// With nil the event is stored for every sensor that wants it. An error
	// that Is bus.ErrFull means that there is no room now: emit again later and
	// tell upstream so. An error that IsPermanent means that this event will
	// never be taken: it is not valid or too large. After any other error the
	// event may have been stored; emitting it again with the same id is safe.
	//
	// Cancelling ctx, before or after, does not end an emit: what happened has
	// happened. It is finished within the pipeline's Drain; ctx's deadline holds.
	Emit func(ctx context.Context, e Event) error

	// Store is a corner of the pipeline's Store that is this event source's
	// own: a cursor, an ETag, what was seen. Nil where the pipeline has none.
	Store bus.Store

	// Dedupe is for how long the bus recognises an event with the same id that
	// any process has published. Zero: it does not, or only what this process
	// published, so that replicas of a source make an event each.
	Dedupe time.Duration

	// Logger says which event source speaks. Never nil.
	Logger *slog.Logger
}

// EventSource is one topic of a pipeline: one kind of event of one source. It
// is used by pointer: dependencies refer to it, so that a misspelt name does not
// compile.
type EventSource struct {
	// Name and Event name the topic, and by default the source and subject
	// attributes of its events. Both are required; they may hold any characters
	// but control characters, and Name does not begin with "$".
	Name  string
	Event string

	// Source makes the events. Nil: another process runs it, or Pipeline.Emit
	// is called.
	Source Source
}

// DeadLetters returns an event source of what the named sensor of the same
// pipeline has given up: see Pipeline.Redrive for what such events hold. The
// name "*" means all sensors. It need not be listed in Pipeline.EventSources. A
// name that no sensor of the pipeline has is warned of when it starts: it may be
// that of a sensor in another process. The event's name is the sensor's, and so
// by default that of a dependency on it.
//
// A dead letter whose own firing fails is stored as a dead letter again, but
// never delivered.
func DeadLetters(sensor string) *EventSource {
	return &EventSource{Name: bus.DeadLetterSource, Event: sensor}
}
