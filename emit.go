package hearken

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"strings"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken/bus"
	"github.com/tidwall/gjson"
)

// publish stamps, checks and publishes e as an event of s.
func (r *runner) publish(ctx context.Context, s *sourcePlan, e Event) error {
	if !r.emits.enter() {
		return ErrNotRunning
	}
	defer r.emits.leave()
	now := time.Now()
	ctx, span := s.emits.start(ctx, e)
	e, err := s.stamped(e, now, &span) //nolint:contextcheck // the span is what matters of it
	if err != nil {
		err = Permanent(fmt.Errorf("event for %s: %w", s.topic, err))
	} else if err = r.bus.Publish(ctx, s.topic, e); errors.Is(err, bus.ErrRejected) {
		err = Permanent(err)
	}
	s.stats.emitted(err, now) //nolint:contextcheck // counting needs none
	span.end(e, err)
	return err
}

// stamped returns e with what it left empty and the trace context of its emit,
// checked. It copies the context rather than change it, and only once.
func (s *sourcePlan) stamped(e Event, now time.Time, span *publishing) (Event, error) {
	c, err := checked(e)
	if err != nil {
		return e, err
	}
	noSource := c.Source.URL == (types.URIRef{}).URL
	noSubject := c.Subject == nil || *c.Subject == ""
	var stamp *stampedContext
	traced := span.carries()
	if c.ID == "" || noSource || noSubject || c.Time == nil || traced {
		stamp = &stampedContext{EventContextV1: *c}
		c = &stamp.EventContextV1
	}
	if c.ID == "" {
		c.ID = randomID()
	}
	if noSource {
		c.Source = s.stamp
	}
	if noSubject {
		c.Subject = &s.Event
	}
	if c.Time == nil {
		stamp.time.Time = now.UTC()
		c.Time = &stamp.time
	}
	if traced {
		c.Extensions = span.extensions(c.Extensions)
	}
	e.Context = c
	return e, nil
}

// checked returns the attributes of e, or what is wrong with it.
func checked(e Event) (*event.EventContextV1, error) {
	if e.Context == nil {
		return nil, errNoContext
	}
	for attribute, err := range e.FieldErrors {
		return nil, fmt.Errorf("%s: %w", attribute, err)
	}
	c, ok := e.Context.(*event.EventContextV1)
	if !ok {
		c = e.Context.AsV1() // 0.3: the same attributes
	}
	switch {
	case strings.TrimSpace(c.Type) == "":
		return nil, errors.New("has no type")
	case c.ID != "" && strings.TrimSpace(c.ID) == "":
		return nil, errors.New("has a blank id")
	case c.Time != nil && !isTimestamp(c.Time.Time):
		return nil, fmt.Errorf("time %v: %w", c.Time, errTimestamp)
	}
	if err := checkExtensions(c.Extensions); err != nil {
		return nil, err
	}
	return c, checkData(e)
}

// stampedContext is the context of an event that brought not all of it, and the
// time that it points to, in one allocation.
type stampedContext struct {
	event.EventContextV1
	time types.Timestamp
}

// reserved begins the names of the extensions that the engine sets and obeys.
// A sender who could set them could choose where its event lands.
const reserved = "hearken"

func checkExtensions(x map[string]any) error {
	for name, value := range x {
		if strings.HasPrefix(name, reserved) {
			return fmt.Errorf("extension %q: names that begin with %q are Hearken's own; remove what a dead letter brings", name, reserved)
		}
		if !isExtensionName(name) {
			return fmt.Errorf("extension %q: a name is lower-case letters and digits (CloudEvents 1.0, 3.1), and none of the attributes'", name)
		}
		of, err := types.Validate(value)
		if err != nil {
			return fmt.Errorf("extension %q: %T is no type of CloudEvents: %w", name, value, err)
		}
		if t, ok := of.(types.Timestamp); ok && !isTimestamp(t.Time) {
			return fmt.Errorf("extension %q: time %v: %w", name, t, errTimestamp)
		}
	}
	return nil
}

var errTimestamp = errors.New("RFC 3339, the text of a CloudEvents time, has the years 0 to 9999 in UTC")

// isTimestamp reports whether t can be read again from its text: a store or a bus
// could not give back an event whose time cannot.
func isTimestamp(t time.Time) bool {
	year := t.UTC().Year()
	return 0 <= year && year <= 9999
}

func isExtensionName(name string) bool {
	switch name {
	case "", "id", "source", "type", "specversion", "datacontenttype", "dataschema", "subject", "time", "data":
		return false
	}
	return !strings.ContainsFunc(name, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
}

// withoutReserved returns e as its sender made it, so that a trigger can pass
// it on.
func withoutReserved(e Event) Event {
	return withExtensions(e, func(c *event.EventContextV1) {
		maps.DeleteFunc(c.Extensions, func(name string, _ any) bool { return strings.HasPrefix(name, reserved) })
	})
}

var errNoContext = errors.New("has no context; make it with NewEvent or event.New")

// checkData finds data that is not the JSON that the event says it is.
func checkData(e Event) error {
	contentType := e.Context.GetDataContentType()
	media := contentType
	if media != event.ApplicationJSON && media != "" {
		var err error
		if media, _, err = mime.ParseMediaType(contentType); err != nil {
			return fmt.Errorf("datacontenttype %q: %w", contentType, err)
		}
	}
	isJSON := media == event.ApplicationJSON || media == event.TextJSON || strings.HasSuffix(media, "+json")
	if isJSON && len(e.DataEncoded) > 0 && !validJSON(e.DataEncoded) {
		return fmt.Errorf("data is not the %s that datacontenttype says", contentType)
	}
	return nil
}

// maxDepth is how deep JSON may be nested: as deep as encoding/json reads it.
// gjson recurses without a bound.
const maxDepth = 10_000

func validJSON(data []byte) bool {
	if bytes.Count(data, []byte{'['})+bytes.Count(data, []byte{'{'}) > maxDepth {
		return json.Valid(data)
	}
	return gjson.ValidBytes(data)
}

func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// withExtensions returns e with a context of its own, to which set may write.
func withExtensions(e Event, set func(*event.EventContextV1)) Event {
	c := *e.Context.AsV1()
	c.Extensions = maps.Clone(c.Extensions)
	if c.Extensions == nil {
		c.Extensions = make(map[string]any)
	}
	set(&c)
	e.Context = &c
	return e
}

// extension returns a text extension of e, or "".
func extension(e Event, name string) string {
	if c, ok := e.Context.(*event.EventContextV1); ok {
		text, _ := c.Extensions[name].(string) // e.Extensions would copy them all
		return text
	}
	text, _ := e.Extensions()[name].(string)
	return text
}

// gate lets emits in while the pipeline runs, and waits for those within. The
// zero value is shut.
type gate struct {
	mu     sync.Mutex
	open   bool
	inside int
	empty  chan struct{} // made by shut while somebody is within
}

func (g *gate) unlock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		g.inside++
	}
	return g.open
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside--; g.inside == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

func (g *gate) within() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}

// shut refuses further emits and returns how many are still within when ctx
// ends.
func (g *gate) shut(ctx context.Context) int {
	g.mu.Lock()
	g.open = false
	if g.inside > 0 && g.empty == nil {
		g.empty = make(chan struct{})
	}
	empty := g.empty
	g.mu.Unlock()
	if empty != nil {
		select {
		case <-empty:
		case <-ctx.Done():
		}
	}
	return g.within()
}

// detached is a context that ends with the pipeline's work rather than with the
// caller's, whose values it has: an emit under way is finished although its
// source has been told to stop.
type detached struct {
	context.Context                 //nolint:containedctx // the pipeline's work
	values          context.Context //nolint:containedctx // the caller's
}

func (d detached) Value(key any) any { return d.values.Value(key) }

// AfterFunc lets package context make children without a goroutine each.
func (d detached) AfterFunc(f func()) (stop func() bool) {
	return context.AfterFunc(d.Context, f)
}

// detach keeps of ctx its values and its deadline.
func (r *runner) detach(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx == r.intake { // as Source.Run got it: its values are the work's
		return r.work, func() {}
	}
	d := detached{Context: r.work, values: ctx}
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(d, deadline)
	}
	return d, func() {}
}
