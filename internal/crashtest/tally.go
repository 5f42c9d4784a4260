package crashtest

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Tally is what a Ledger says in the end. Accepted events are fired,
// dead-lettered, pending or lost.
type Tally struct {
	Posted, Accepted, Ambiguous, Refused int // events

	Fired        int
	DeadLettered int
	Pending      int // kept without its other half, as was proven
	Lost         int
	Arrived      int // fired or dead-lettered without having been accepted

	Duplicates int // requests with an idempotency key met before
	TwoIDs     int // events that fired under more than one

	// Redelivery is the longest from a restart to the firing of an event that
	// had been accepted before it.
	Redelivery time.Duration
	// Slowest is the longest from an event's acceptance to its firing.
	Slowest time.Duration

	// Wrong is what must not be, lost events among it.
	Wrong []string
}

// Err returns what is wrong, the first of it in words.
func (t Tally) Err() error {
	if len(t.Wrong) == 0 {
		return nil
	}
	const most = 10
	shown := t.Wrong[:min(len(t.Wrong), most)]
	text := fmt.Sprintf("%d things are wrong: lost %d, fired under two ids %d\n  %s", len(t.Wrong), t.Lost, t.TwoIDs, strings.Join(shown, "\n  "))
	return errors.New(text)
}

func (t *Tally) wrong(format string, args ...any) {
	t.Wrong = append(t.Wrong, fmt.Sprintf(format, args...))
}

// Tally closes the account.
func (l *Ledger) Tally() Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := Tally{Wrong: append([]string(nil), l.foreign...)}
	for _, b := range l.sorted() {
		t.count(b)
		t.judge(b)
		l.time(&t, b)
	}
	for _, f := range l.firings {
		t.Duplicates += f.requests - 1
		t.judgeFiring(f)
	}
	return t
}

func (t *Tally) count(b *entry) {
	if b.outcome == Unsent && len(b.fired) == 0 && len(b.letters) == 0 || b.filler() {
		return
	}
	switch b.outcome {
	case Unsent:
		t.wrong("%s was never sent, and arrived", b.ID)
	case Refused:
		t.Refused++
	case Ambiguous:
		t.Ambiguous++
	case Accepted:
		t.Accepted++
	}
	t.Posted++
	fired := len(b.fired) > 0
	switch {
	case b.outcome != Accepted:
		if fired || len(b.letters) > 0 {
			t.Arrived++
		}
	case b.pending && fired:
		t.Pending++
	case fired:
		t.Fired++
	case len(b.letters) > 0:
		t.DeadLettered++
	default:
		t.Lost++
		t.wrong("%s is lost: accepted at %s, pending %t", b.ID, b.accepted.Format(clock), b.pending)
	}
}

const clock = "15:04:05.000"

// judge looks at what came of one event.
func (t *Tally) judge(b *entry) {
	if queued := b.Topic == First || b.Topic == Second; len(b.fired) > 1 && !queued {
		t.TwoIDs++
		t.wrong("%s fired under %d ids: %v", b.ID, len(b.fired), b.fired)
	}
	if len(b.letters) > 1 {
		t.TwoIDs++
		t.wrong("%s was dead-lettered under %d ids: %v", b.ID, len(b.letters), b.letters)
	}
	if b.Poison && len(b.fired) > 0 {
		t.wrong("%s fired, although the sink refuses it", b.ID)
	}
	if !b.Poison && len(b.letters) > 0 {
		t.wrong("%s was dead-lettered without need: %s", b.ID, b.reason)
	}
}

// judgeFiring looks at what was fired together.
func (t *Tally) judgeFiring(f *firing) {
	topics := map[string][]string{soloSensor: {Solo}, pairSensor: {Left, Right}, queueSensor: {First, Second}}[f.Sensor]
	if topics == nil {
		if f.Sensor != lettersSensor {
			t.wrong("firing %s is of sensor %q, which nobody has", f.ID, f.Sensor)
		}
		return
	}
	ok := len(f.Events) == len(topics)
	for i := range topics {
		ok = ok && f.Events[i].Topic == topics[i] && f.Events[i].Key == f.Events[0].Key
	}
	if !ok {
		t.wrong("firing %s of sensor %s holds what does not belong together: %+v", f.ID, f.Sensor, f.Events)
	}
}

// time measures how long an event took. What was pending waited for the test.
func (l *Ledger) time(t *Tally, b *entry) {
	since, end := b.accepted, b.first
	if end.IsZero() {
		end = b.lettered
	}
	if other := l.otherHalf(b); other != nil {
		if other.outcome != Accepted || other.pending {
			return
		}
		if other.accepted.After(since) {
			since = other.accepted
		}
	}
	if b.outcome != Accepted || b.pending || end.IsZero() || b.Topic == First || b.Topic == Second {
		return
	}
	t.Slowest = max(t.Slowest, end.Sub(since))
	for i := len(l.restarts) - 1; i >= 0 && l.restarts[i].After(since); i-- {
		if !l.restarts[i].After(end) {
			t.Redelivery = max(t.Redelivery, end.Sub(l.restarts[i]))
			return
		}
	}
}
