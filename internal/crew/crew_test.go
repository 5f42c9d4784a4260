package crew_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/internal/crew"
	"github.com/stretchr/testify/assert"
)

// member lives as a member does: it receives from in, and calls do.
func member(c *crew.Crew[int], in <-chan int, do func(int)) {
	for {
		v, turn := c.Next()
		for turn == crew.Lead {
			var received bool
			if v, received = <-in; !received {
				return
			}
			own, ok := c.Got(v)
			if !ok {
				return
			}
			if own {
				turn = crew.Work
			}
		}
		if turn == crew.Home {
			return
		}
		do(v)
		c.Done()
	}
}

func TestWorkInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, in := crew.New[int](1), make(chan int)
		var got []int
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { member(c, in, func(v int) { got = append(got, v); time.Sleep(time.Second) }) })
		}
		var want []int
		for v := range 100 {
			in <- v // somebody leads although the only worker is busy
			want = append(want, v)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, want, got)
		close(in)
		assert.Empty(t, c.Close())
		wg.Wait()
	})
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 3
		c, in := crew.New[int](limit), make(chan int)
		var busy, most, done atomic.Int32
		var wg sync.WaitGroup
		for range limit + 1 {
			wg.Go(func() {
				member(c, in, func(int) {
					most.Store(max(most.Load(), busy.Add(1)))
					time.Sleep(time.Second)
					busy.Add(-1)
					done.Add(1)
				})
			})
		}
		for v := range 20 {
			in <- v
			assert.True(t, c.Push(v))
		}
		time.Sleep(time.Hour)
		assert.EqualValues(t, limit, most.Load())
		assert.EqualValues(t, 40, done.Load())
		close(in)
		c.Close()
		wg.Wait()
	})
}

func TestPushedWorkNeedsNoArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, in := crew.New[int](1), make(chan int)
		var done atomic.Int32
		for range 2 {
			go member(c, in, func(int) { done.Add(1) })
		}
		synctest.Wait() // one leads, one is idle
		c.Push(1)
		synctest.Wait()
		assert.EqualValues(t, 1, done.Load())
		close(in)
		c.Close()
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, in := crew.New[int](1), make(chan int)
		release := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { member(c, in, func(int) { <-release }) })
		}
		in <- 1
		synctest.Wait()
		in <- 2
		synctest.Wait()
		assert.True(t, c.Push(3))
		synctest.Wait()
		assert.Equal(t, []int{2, 3}, c.Close(), "what nobody has begun")
		assert.False(t, c.Push(4))
		in <- 5 // the leader is told that it is too late
		close(release)
		wg.Wait()
		assert.Empty(t, c.Close())
	})
}

func TestEverythingIsDoneOnce(t *testing.T) {
	const n = 10_000
	c, in := crew.New[int](8), make(chan int)
	var got [2 * n]atomic.Int32
	var left, members sync.WaitGroup
	left.Add(2 * n)
	for range 9 {
		members.Go(func() { member(c, in, func(v int) { got[v].Add(1); left.Done() }) })
	}
	for part := range 4 {
		go func() {
			for v := part; v < n; v += 4 {
				in <- v
				c.Push(n + v)
			}
		}()
	}
	left.Wait()
	c.Close()
	close(in)
	members.Wait()
	for v := range got {
		assert.EqualValues(t, 1, got[v].Load(), v)
	}
}

func TestArrivalWhileSomebodyIsBeingCalled(t *testing.T) {
	for range 100 { // the moment is short, but is met nearly each time
		synctest.Test(t, func(t *testing.T) {
			c, release := crew.New[int](2), make(chan struct{})
			var busy atomic.Int32
			_, turn := c.Next()
			assert.Equal(t, crew.Lead, turn)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() { member(c, nil, func(int) { busy.Add(1); <-release }) })
			}
			synctest.Wait() // both are idle
			c.Push(1)
			own, ok := c.Got(2)
			assert.True(t, ok)
			synctest.Wait()
			if own { // it was too late: the test is the leader, and does not work
				busy.Add(1)
				c.Done()
			}
			assert.EqualValues(t, 2, busy.Load(), "nothing waits while a member is idle")
			close(release)
			c.Close()
			wg.Wait()
		})
	}
}
