package hearken

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/internal/backoff"
)

// The extensions of a dead letter. A letter that is published back keeps those
// that say for whom it is and which firing had failed, and counts in
// bus.RedriveExtension.
const (
	extFiring   = bus.FiringExtension // Firing.ID
	extPipeline = "hearkenpipeline"   // which pipeline gave it up
	extSensor   = "hearkensensor"     // which sensor gave it up
	extAction   = "hearkenaction"     // which action; absent when none was begun
	extError    = "hearkenerror"      // the last error, at most 1 KB
	extAttempts = "hearkenattempts"   // how many attempts there were, in the last process
	extSource   = "hearkensource"     // the original topic's event source
	extEvent    = "hearkenevent"      // the original topic's event
	extID       = "hearkenid"         // the original id
)

const maxErrorText = 1 << 10

// A dead letter that the bus does not take is held and tried again.
const (
	letterTimeout  = 10 * time.Second
	letterRetryMin = time.Second
	letterRetryMax = 30 * time.Second
)

// deadLetter is what a task gives up, on its way to the dead letters.
type deadLetter struct {
	events []givenUp // that are not stored yet
	err    error     // why
	tries  int
}

// givenUp is an event that is given up, and where it was.
type givenUp struct {
	event    Event
	topic    bus.Topic
	identity bus.Identity
}

// bury gives a task up: its event becomes a dead letter, and so do those that it
// was joined with.
func (s *sensorRun) bury(t *task, err error) {
	t.letter = t.newLetter(s.sensorPlan, err)
	s.publishLetter(t)
}

// publishLetter publishes a task's dead letters. What cannot be published is
// held, so that nothing fails in the log only.
func (s *sensorRun) publishLetter(t *task) {
	l := t.letter
	ctx, cancel := context.WithTimeout(t.within(s.run.work), letterTimeout)
	defer cancel()
	var err error
	for len(l.events) > 0 && err == nil {
		if err = s.buryEvent(ctx, l.events[0], t.firing, l.err); err == nil {
			t.buried(s)
			l.events = l.events[1:]
		}
	}
	if err == nil {
		if l.tries > 0 {
			s.stats.unburied.Add(-1)
			l.tries = 0
		}
		s.finish(t)
		return
	}
	if l.tries++; l.tries == 1 {
		s.stats.unburied.Add(1)
	}
	s.log.ErrorContext(ctx, "dead letter was not stored; the event is held", append(stackOf(err),
		"action", t.firing.Action, "firing", t.firing.ID, "event_source", t.Topic.EventSource, "event", t.Topic.Event, "event_id", t.Event.ID(),
		"error", err, "cause", l.err, "failures", l.tries)...)
	if !s.sleep(t, backoff.Jitter(l.tries, letterRetryMin, letterRetryMax)) {
		s.end(t, false)
	}
}

// buryEvent publishes the dead letter of an event that a firing gives up.
func (s *sensorRun) buryEvent(ctx context.Context, e givenUp, f Firing, cause error) error {
	letter := s.letterOf(e, f, cause)
	if err := s.storeLetter(ctx, letter); err != nil {
		err = fmt.Errorf("publish dead letter: %w", err)
		s.stats.failed(err)
		return err
	}
	s.log.ErrorContext(ctx, "event dead-lettered", "action", f.Action, "firing", f.ID, "event_source", e.topic.EventSource,
		"event", e.topic.Event, "event_id", e.identity.ID, "error", cause, "attempt", f.Attempt, "dead_letter_id", letter.ID())
	return nil
}

// buried counts a dead letter that is stored.
func (t *task) buried(s *sensorRun) {
	if t.action != nil {
		t.action.stats.deadLettered.Add(1)
	} else {
		s.stats.deadLettered.Add(1)
	}
}

// newLetter gives up the events of a task.
func (t *task) newLetter(s *sensorPlan, err error) *deadLetter {
	own := givenUp{t.Event, t.Topic, bus.IdentityOf(t.Topic, t.Event)}
	if t.Err != nil { // a message that is no event has no identity but its place
		own.identity.ID = fmt.Sprintf("%s/%d", t.Pos.Log, t.Pos.Seq)
	}
	if t.firing.ID == "" { // given up before any action was begun
		t.firing = Firing{ID: firingID(s.prefix, own.identity), Sensor: s.name}
	}
	l := &deadLetter{err: err}
	if l.events = t.join.givenUp(); len(l.events) == 0 {
		l.events = []givenUp{own}
	}
	return l
}

// letterOf makes the dead letter of an event: the original event, same data, and
// the story of its failure.
func (s *sensorPlan) letterOf(e givenUp, f Firing, cause error) Event {
	return withExtensions(e.event, func(c *event.EventContextV1) {
		if c.Source.String() == "" {
			c.Source.Path = e.topic.EventSource
		}
		c.ID = letterID(f.ID, e.identity)
		x := c.Extensions
		for name, value := range map[string]string{
			extFiring: f.ID, extPipeline: s.letters.Event, extSensor: s.name, extAction: f.Action, extError: errorText(cause),
			extSource: e.topic.EventSource, extEvent: e.topic.Event, extID: e.identity.ID,
		} {
			delete(x, name)
			if value != "" {
				x[name] = value
			}
		}
		x[extAttempts] = int32(min(f.Attempt, 1<<30)) //nolint:gosec // bounded
	})
}

// Redrive publishes a dead letter back to the topic it came from, for the
// sensor and action that gave it up: others that saw the event are not bothered
// again. It counts as another happening, so its Firing.ID differs from that
// which failed.
//
// e is the dead letter as a trigger of a sensor on DeadLetters gets it: the
// event that failed, with an id of its own and the extensions hearkenfiring,
// hearkenpipeline, hearkensensor, hearkenaction, hearkenerror (at most 1 KB),
// hearkenattempts, hearkensource, hearkenevent and hearkenid (the original topic
// and id). An event that is none, one that could never be decoded, and one of a
// sensor that this pipeline does not have (any more), or that no longer depends
// on the topic, are Permanent errors. Otherwise Redrive is like Emit.
func (p *Pipeline) Redrive(ctx context.Context, e Event) error {
	r := p.running.Load()
	if r == nil || !r.emits.enter() {
		return ErrNotRunning
	}
	defer r.emits.leave()
	topic, back, err := redriven(e)
	if err == nil && !r.listens(back, topic) {
		err = fmt.Errorf("redrive: no sensor %q of this pipeline depends on %s", extension(e, extSensor), topic)
	}
	if err != nil {
		return Permanent(err)
	}
	return r.publishBack(ctx, topic, back)
}

// redriven returns what a dead letter is published back as, and where.
func redriven(e Event) (bus.Topic, Event, error) {
	if e.Context == nil {
		return bus.Topic{}, e, errors.New("redrive: the event has no context")
	}
	text := func(name string) string { return extension(e, name) }
	topic := bus.Topic{EventSource: text(extSource), Event: text(extEvent)}
	id := text(extID)
	switch {
	case text(extFiring) == "" || topic.EventSource == "" || id == "":
		return topic, e, fmt.Errorf("redrive: event %q is not a dead letter", e.ID())
	case e.Type() == bus.UndecodableType:
		return topic, e, fmt.Errorf("redrive: dead letter %q holds what is no event; publish it anew", e.ID())
	case topic.IsDeadLetters():
		return topic, e, fmt.Errorf("redrive: dead letter %q is that of a dead letter, which is never delivered", e.ID())
	}
	return topic, withExtensions(e, func(c *event.EventContextV1) {
		c.ID = id
		for _, name := range []string{extError, extAttempts, extSource, extEvent, extID} {
			delete(c.Extensions, name)
		}
		c.Extensions[bus.RedriveExtension] = int32(bus.Redrive(e) + 1) //nolint:gosec // counted by hand
	}), nil
}

// listens reports whether an event published back meets the sensor that it is
// for.
func (r *runner) listens(e Event, t bus.Topic) bool {
	for _, s := range r.sensors {
		if s.routes[t] != nil && s.isFor(e) {
			return true
		}
	}
	return false
}

// isFor reports whether an event published back is for this sensor.
func (s *sensorPlan) isFor(e Event) bool {
	return extension(e, extSensor) == s.name && extension(e, extPipeline) == s.letters.Event
}

// firingID names a firing by what makes it fire: the prefix of its action, and
// the identity of its event.
func firingID(prefix []byte, event bus.Identity) string {
	return shortHash(event.Append(append(make([]byte, 0, 256), prefix...)))
}

func letterID(firing string, event bus.Identity) string {
	return shortHash(event.Append([]byte(firing)))
}

func shortHash(b []byte) string {
	sum := sha256.Sum256(b)
	var text [32]byte
	hex.Encode(text[:], sum[:16])
	return string(text[:])
}

// errorText is an error as a CloudEvents string: valid UTF-8 without control
// characters, cut to 1 KB.
func errorText(err error) (text string) {
	defer func() {
		if v := recover(); v != nil { // such as a nil pointer in an error
			text = fmt.Sprintf("an error of type %T, whose Error panicked", err)
		}
	}()
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(err.Error(), "\uFFFD"))
	if len(text) <= maxErrorText {
		return text
	}
	cut := maxErrorText - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
