package natsbus_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/stretchr/testify/assert"
)

func yes() bool { return true }
func no() bool  { return false }

func TestOutboxSendsInOrder(t *testing.T) {
	var sent []int
	o := natsbus.NewOutbox(func(n int) { sent = append(sent, n) })
	assert.True(t, o.Put(1), "the first one sends")
	assert.False(t, o.Put(2))
	assert.False(t, o.Put(3))
	o.Remove(2)
	o.Empty(yes)
	assert.Equal(t, []int{1, 3}, sent)
	assert.True(t, o.Put(4), "nobody sends any more")
	o.Empty(no)
	assert.Equal(t, []int{1, 3, 4}, sent)
	assert.True(t, o.Put(5))
}

// What comes while one sends is sent by the same as long as it has time, and by
// somebody all the same when it has none.
func TestOutboxWithoutTime(t *testing.T) {
	for name, hasTime := range map[string]func() bool{"time": yes, "no time": no} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent []int
				var o *natsbus.Outbox
				o = natsbus.NewOutbox(func(n int) {
					sent = append(sent, n)
					if n < 5 {
						assert.False(t, o.Put(n+1), "it is being emptied")
					}
				})
				o.Put(1)
				o.Empty(hasTime)
				synctest.Wait()
				assert.Equal(t, []int{1, 2, 3, 4, 5}, sent)
				assert.True(t, o.Put(6))
				o.Close()
			})
		})
	}
}

func TestOutboxClosed(t *testing.T) {
	var sent []int
	var o *natsbus.Outbox
	o = natsbus.NewOutbox(func(n int) {
		sent = append(sent, n)
		o.Put(n + 1)
		o.Close()
	})
	o.Put(1)
	o.Put(2)
	o.Empty(no)
	assert.Equal(t, []int{1, 2}, sent, "a batch begun, and nothing after it")
}

func TestOutboxOfMany(t *testing.T) {
	const callers, each = 16, 200
	var mu sync.Mutex
	var sent []int
	o := natsbus.NewOutbox(func(n int) {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, n)
	})
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				if o.Put(c*each + i) {
					o.Empty(func() bool { return i%2 == 0 })
				}
			}
		})
	}
	wg.Wait()
	if o.Put(callers * each) {
		o.Empty(yes)
	}
	o.Wait()
	slices.Sort(sent)
	want := make([]int, callers*each+1)
	for i := range want {
		want[i] = i
	}
	assert.Equal(t, want, sent, "each once")
}
