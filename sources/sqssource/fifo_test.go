package sqssource_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// ordered fails unless the bodies of each group, such as a1, a2, a3, come in
// their order.
func ordered(t *testing.T, bodies []string) {
	t.Helper()
	of := map[string][]string{}
	for _, b := range bodies {
		of[b[:1]] = append(of[b[:1]], b)
	}
	for _, group := range of {
		assert.True(t, slices.IsSorted(group), "%v", group)
	}
}

func (w *world) sendGroups(groups string, each int) {
	for n := range each {
		for _, g := range groups {
			w.Send(w.queue, fmt.Sprintf("%c%02d", g, n), string(g))
		}
	}
}

func TestGroupsKeepTheirOrder(t *testing.T) {
	bubble(t, "q.fifo", func(t *testing.T, w *world) {
		var mu sync.Mutex
		busy := map[string]bool{}
		most := 0
		w.rec.Then = func(_ context.Context, e hearken.Event) error {
			group, _ := e.Extensions()["partitionkey"].(string)
			mu.Lock()
			assert.False(t, busy[group], "two of group %s at once", group)
			busy[group] = true
			most = max(most, len(busy))
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			delete(busy, group)
			mu.Unlock()
			return nil
		}
		w.sendGroups("abc", 20)
		w.start()
		got := bodies(w.events(60))
		ordered(t, got)
		assert.Equal(t, 3, most, "groups do not wait for each other")
	})
}

func TestGroupsKeepTheirOrderOverFailures(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
	}{{"full", errFull}, {"away", errAway}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, "q.fifo", func(t *testing.T, w *world) {
				w.rec.Then = fails(c.err, time.Minute, "a03", "b05")
				w.sendGroups("abc", 10)
				w.start()
				got := bodies(w.events(30))
				ordered(t, got)
				assert.Len(t, got, 30, "and nothing twice")
				time.Sleep(time.Second)
				assert.Empty(t, w.Messages("q.fifo"))
				assert.Equal(t, 30, w.counter("received"))
			})
		})
	}
}

func TestGroupStopsAtARefusedMessage(t *testing.T) {
	bubble(t, "q.fifo", func(t *testing.T, w *world) {
		w.rec.Then = fails(errNever, forever, "a03")
		w.sendGroups("a", 8)
		w.start()
		w.attempts(4)
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"a00", "a01", "a02"}, bodies(w.rec.Events()))
		assert.Equal(t, []string{"a04", "a05", "a06", "a07"}, w.visible(), "handed back; SQS keeps them behind a03")
		assert.Equal(t, []int{1, 1, 1, 1, 1}, w.receives())

		got := bodies(w.events(7))
		ordered(t, got)
		require.Len(t, w.Messages("q-dead.fifo"), 1, "and none that is good")
		assert.Equal(t, "a03", w.Messages("q-dead.fifo")[0].Body)
		assert.Len(t, got, 7)
	})
}

func TestGroupsOverAShutdown(t *testing.T) {
	bubble(t, "q.fifo", func(t *testing.T, w *world) {
		w.rec.Then = fails(errAway, 5*time.Second, "a03")
		w.sendGroups("ab", 6)
		w.start()
		time.Sleep(time.Second)
		w.finish()
		assert.Equal(t, []string{"a03", "a04", "a05"}, w.visible())
		w.start()
		ordered(t, bodies(w.events(12)))
		assert.Len(t, w.rec.Events(), 12)
	})
}

func TestReceiveThatIsLostOnItsWayIsMadeAgain(t *testing.T) {
	bubble(t, "q.fifo", func(t *testing.T, w *world) {
		w.source.Pollers = 1
		var attempts []string
		w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
			err := next()
			if c.Operation != "ReceiveMessage" {
				return err
			}
			attempts = append(attempts, gjson.GetBytes(c.Input, "ReceiveRequestAttemptId").String())
			if c.Number == 1 {
				return awstest.ErrLost
			}
			return err
		})
		w.sendGroups("a", 3)
		began := time.Now()
		w.start()
		assert.Equal(t, []string{"a00", "a01", "a02"}, bodies(w.events(3)))
		assert.Less(t, time.Since(began), 5*time.Second, "not at the end of the visibility")
		assert.Equal(t, []int{1, 1, 1}, w.receives())
		time.Sleep(time.Minute)
		w.finish()
		require.Greater(t, len(attempts), 4)
		assert.Equal(t, attempts[0], attempts[1])
		again := slices.Clone(attempts[1:])
		slices.Sort(again)
		assert.Len(t, slices.Compact(again), len(attempts)-1, "a new one for each other receive")
		assert.NotContains(t, strings.Join(attempts, ","), ",,")
	})
}

// What became visible while those before it of its group were emitted may be
// with another consumer, which goes on from there.
func TestGroupStopsAtALostMessage(t *testing.T) {
	bubble(t, "q.fifo", func(t *testing.T, w *world) {
		var emits atomic.Int32
		w.rec.Then = func(context.Context, hearken.Event) error {
			if emits.Add(1) == 1 {
				time.Sleep(2 * time.Minute)
			}
			return nil
		}
		w.failing("ChangeMessageVisibilityBatch", awstest.ErrLost, 40*time.Second)
		w.sendGroups("a", 3)
		w.start()
		time.Sleep(time.Minute)
		w.Send("q.fifo", "a07", "a")
		w.events(5)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"a00", "a01", "a02", "a07", "a00"}, bodies(w.rec.Events()))
		assert.Empty(t, w.Messages("q.fifo"))
	})
}

func TestRefusedMessageTakesNoneOfItsGroupAlong(t *testing.T) {
	for _, c := range []struct{ visibility, wait time.Duration }{
		{5 * time.Second, 0}, {30 * time.Second, 20 * time.Second}, {2 * time.Second, 20 * time.Second},
	} {
		t.Run(fmt.Sprint(c.visibility), func(t *testing.T) {
			bubble(t, "q.fifo", func(t *testing.T, w *world) {
				w.source.Visibility, w.source.Wait = c.visibility, c.wait
				w.rec.Then = fails(errNever, forever, "a03")
				w.sendGroups("a", 8)
				w.start()
				w.events(7)
				time.Sleep(10 * time.Minute)
				require.Len(t, w.Messages("q-dead.fifo"), 1, "and none that is good")
			})
		})
	}
}

// What waits for the bus keeps a refused message from being received again, and
// so the time of polls for one from passing.
func TestFullBusDoesNotEndThePollsForOne(t *testing.T) {
	bubble(t, "q.fifo", func(t *testing.T, w *world) {
		never, full := fails(errNever, forever, "a03"), fails(errFull, 5*time.Minute, "b00")
		w.rec.Then = func(ctx context.Context, e hearken.Event) error {
			if field(e, "body") == "a00" {
				time.Sleep(15 * time.Second) // all polls wait for the bus then
			}
			return cmp.Or(never(ctx, e), full(ctx, e))
		}
		w.sendGroups("a", 8)
		w.Send("q.fifo", "b00", "b")
		w.start()
		w.events(4)
		time.Sleep(10 * time.Second)
		assert.Equal(t, []int{2, 1, 1, 1, 1}, w.receives())
	})
}
