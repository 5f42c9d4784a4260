package crashtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/internal/crashtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func event(topic, key string) crashtest.Event {
	e := crashtest.Event{ID: topic + "-" + key, Topic: topic}
	if topic != crashtest.Solo {
		e.Key = key
	}
	return e
}

func poison(key string) crashtest.Event {
	e := event(crashtest.Solo, key)
	e.Poison = true
	return e
}

func accept(l *crashtest.Ledger, es ...crashtest.Event) {
	for _, e := range es {
		l.Posting(e)
		l.Posted(e, crashtest.Accepted)
	}
}

func fire(l *crashtest.Ledger, sensor, id string, es ...crashtest.Event) {
	l.Fired(crashtest.Firing{ID: id, Sensor: sensor, Events: es})
}

func TestLedgerCountsTheAccepted(t *testing.T) {
	var l crashtest.Ledger
	assert.Zero(t, l.Accepted())
	accept(&l, event(crashtest.Solo, "1"), event(crashtest.Left, "k"), event(crashtest.Solo, "1"))
	l.Posted(event(crashtest.Solo, "2"), crashtest.Refused)
	assert.Equal(t, 2, l.Accepted())
}

// A run in which all went well, with everything that is allowed in it.
func TestLedgerAcceptsWhatIsAllowed(t *testing.T) {
	var l crashtest.Ledger
	solo, bad := event(crashtest.Solo, "1"), poison("2")
	left, right := event(crashtest.Left, "k"), event(crashtest.Right, "k")
	alone := event(crashtest.Right, "alone")
	accept(&l, solo, bad, left, right, alone)
	unanswered, refused, never := event(crashtest.Solo, "3"), event(crashtest.Solo, "4"), event(crashtest.Solo, "5")
	for e, outcomes := range map[crashtest.Event][]crashtest.Outcome{
		unanswered: {crashtest.Refused, crashtest.Ambiguous, crashtest.Refused},
		refused:    {crashtest.Unsent, crashtest.Refused},
		never:      {crashtest.Unsent},
	} {
		for _, o := range outcomes {
			l.Posting(e)
			l.Posted(e, o)
		}
	}
	fire(&l, "solo", "a", solo)
	fire(&l, "solo", "a", solo) // again, and recognisable
	fire(&l, "solo", "b", unanswered)
	fire(&l, "pair", "c", left, right)
	l.Fired(crashtest.Firing{ID: "d", Sensor: "letters", Events: []crashtest.Event{bad}, Error: "422"})

	missing := l.Missing()
	require.Equal(t, []crashtest.Event{event(crashtest.Left, "alone")}, missing)
	accept(&l, missing...)
	fire(&l, "pair", "e", missing[0], alone)

	got := l.Tally()
	require.NoError(t, got.Err())
	got.Slowest = 0
	assert.Equal(t, crashtest.Tally{
		Posted: 8, Accepted: 6, Ambiguous: 1, Refused: 1,
		Fired: 4, DeadLettered: 1, Pending: 1, Arrived: 1, Duplicates: 1,
	}, got)
}

func TestLedgerFinds(t *testing.T) {
	solo, bad := event(crashtest.Solo, "1"), poison("2")
	left, right, other := event(crashtest.Left, "k"), event(crashtest.Right, "k"), event(crashtest.Right, "l")
	first, second := crashtest.Event{ID: "first", Topic: crashtest.First}, crashtest.Event{ID: "second", Topic: crashtest.Second}
	for _, tt := range []struct {
		name string
		do   func(l *crashtest.Ledger)
		want string
	}{
		{"a lost event", func(l *crashtest.Ledger) { accept(l, solo) }, "solo-1 is lost"},
		{"a lost pair", func(l *crashtest.Ledger) { accept(l, left, right) }, "left-k is lost"},
		{"a lost dead letter", func(l *crashtest.Ledger) { accept(l, bad) }, "solo-2 is lost"},
		{"a half that was not kept", func(l *crashtest.Ledger) {
			accept(l, left)
			accept(l, l.Missing()...)
		}, "left-k is lost"},
		{"a half whose other half nobody posted", func(l *crashtest.Ledger) { accept(l, left) }, "left-k is lost"},
		{"a queued event that was not kept", func(l *crashtest.Ledger) {
			accept(l, first)
			accept(l, l.Missing()...)
		}, "first is lost"},
		{"an event in two firings", func(l *crashtest.Ledger) {
			accept(l, solo)
			fire(l, "solo", "a", solo)
			fire(l, "solo", "b", solo)
		}, "solo-1 fired under 2 ids"},
		{"a half in two firings", func(l *crashtest.Ledger) {
			accept(l, left, right)
			fire(l, "pair", "a", left, right)
			fire(l, "pair", "b", left, right)
		}, "left-k fired under 2 ids"},
		{"an event in two dead letters", func(l *crashtest.Ledger) {
			accept(l, bad)
			fire(l, "letters", "a", bad)
			fire(l, "letters", "b", bad)
		}, "dead-lettered under 2 ids"},
		{"an id with two meanings", func(l *crashtest.Ledger) {
			accept(l, solo, bad)
			fire(l, "solo", "a", solo)
			fire(l, "solo", "a", bad)
		}, "firing a fired with"},
		{"halves of different keys", func(l *crashtest.Ledger) {
			accept(l, left, other)
			fire(l, "pair", "a", left, other)
		}, "does not belong together"},
		{"half a pair", func(l *crashtest.Ledger) {
			accept(l, left)
			fire(l, "pair", "a", left)
		}, "does not belong together"},
		{"two of one topic", func(l *crashtest.Ledger) {
			accept(l, first, second)
			fire(l, "queue", "a", first, first)
			fire(l, "queue", "b", second, first)
		}, "does not belong together"},
		{"an event of another topic", func(l *crashtest.Ledger) {
			accept(l, left)
			fire(l, "solo", "a", left)
		}, "does not belong together"},
		{"a firing of an unknown sensor", func(l *crashtest.Ledger) {
			accept(l, solo)
			fire(l, "other", "a", solo)
		}, `"other", which nobody has`},
		{"an event from nowhere", func(l *crashtest.Ledger) { fire(l, "solo", "a", solo) }, "which nobody posted"},
		{"an event that changed", func(l *crashtest.Ledger) {
			accept(l, solo)
			changed := solo
			changed.Poison = true
			fire(l, "solo", "a", changed)
		}, "which nobody posted"},
		{"an event that was never sent", func(l *crashtest.Ledger) {
			l.Posting(solo)
			l.Posted(solo, crashtest.Unsent)
			fire(l, "solo", "a", solo)
		}, "was never sent"},
		{"a dead letter without need", func(l *crashtest.Ledger) {
			accept(l, solo)
			l.Fired(crashtest.Firing{ID: "a", Sensor: "letters", Events: []crashtest.Event{solo}, Error: "gave up"})
		}, "dead-lettered without need: gave up"},
		{"a dead letter from nowhere", func(l *crashtest.Ledger) { fire(l, "letters", "a", bad) }, "which nobody posted"},
		{"a poison that fired", func(l *crashtest.Ledger) {
			accept(l, bad)
			fire(l, "solo", "a", bad)
		}, "although the sink refuses it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l crashtest.Ledger
			tt.do(&l)
			assert.ErrorContains(t, l.Tally().Err(), tt.want)
		})
	}
}

// An event that was stored twice takes what was meant for another.
func TestLedgerPairsAsTheyCome(t *testing.T) {
	var l crashtest.Ledger
	first := []crashtest.Event{{ID: "1", Topic: crashtest.First}, {ID: "2", Topic: crashtest.First}}
	second := crashtest.Event{ID: "3", Topic: crashtest.Second}
	accept(&l, first[0], first[1], second)
	fire(&l, "queue", "a", first[0], second)
	for i, fires := range []crashtest.Event{first[0], first[1]} {
		missing := l.Missing()
		require.Len(t, missing, 1)
		assert.Equal(t, crashtest.Second, missing[0].Topic)
		accept(&l, missing[0])
		fire(&l, "queue", []string{"b", "c"}[i], fires, missing[0])
	}
	assert.Empty(t, l.Missing())
	got := l.Tally()
	require.NoError(t, got.Err())
	assert.Equal(t, 1, got.Pending)
	assert.Equal(t, 2, got.Fired)
	assert.Equal(t, 3, got.Accepted, "without what the test added to find out")
}

func TestLedgerTimesRedelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l crashtest.Ledger
		before, after, gone := event(crashtest.Solo, "before"), event(crashtest.Solo, "after"), event(crashtest.Solo, "gone")
		left, right := event(crashtest.Left, "k"), event(crashtest.Right, "k")
		accept(&l, before, left, gone)
		fire(&l, "solo", "a", gone) // before the restart
		time.Sleep(time.Second)
		l.Restarted()
		time.Sleep(2 * time.Second)
		fire(&l, "solo", "b", before)
		accept(&l, after, right)
		time.Sleep(4 * time.Second)
		fire(&l, "solo", "c", after)
		fire(&l, "pair", "d", left, right)
		got := l.Tally()
		require.NoError(t, got.Err())
		assert.Equal(t, 2*time.Second, got.Redelivery, "of what was accepted before the restart")
		assert.Equal(t, 4*time.Second, got.Slowest, "from the acceptance of the later half")
	})
}
