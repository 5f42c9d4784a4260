package workqueue_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hearken-go/hearken/internal/workqueue"
	"github.com/stretchr/testify/assert"
)

func TestFirstInFirstOut(t *testing.T) {
	var q workqueue.Queue[int]
	next, want := 0, 0
	for _, step := range []struct{ push, pop int }{{10, 5}, {30, 20}, {100, 115}} {
		for range step.push {
			assert.True(t, q.Push(next))
			next++
		}
		for range step.pop {
			v, ok := q.Pop()
			assert.True(t, ok)
			assert.Equal(t, want, v)
			want++
		}
	}
}

func TestClose(t *testing.T) {
	var q workqueue.Queue[int]
	q.Push(1)
	q.Push(2)
	assert.Equal(t, []int{1, 2}, q.Close(), "what was left")
	assert.False(t, q.Push(3))
	_, ok := q.Pop()
	assert.False(t, ok)
	assert.Empty(t, q.Close())
}

func TestCloseWakesWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q workqueue.Queue[int]
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				_, ok := q.Pop()
				assert.False(t, ok)
			})
		}
		synctest.Wait()
		q.Close()
		wg.Wait()
	})
}

func TestEveryValueGoesToOneWorker(t *testing.T) {
	const n = 10_000
	var q workqueue.Queue[int]
	var got [n]atomic.Int32
	var left sync.WaitGroup
	left.Add(n)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for v, ok := q.Pop(); ok; v, ok = q.Pop() {
				got[v].Add(1)
				left.Done()
			}
		})
	}
	for part := range 4 {
		go func() {
			for v := part; v < n; v += 4 {
				q.Push(v)
			}
		}()
	}
	left.Wait()
	q.Close()
	workers.Wait()
	for v := range got {
		assert.EqualValues(t, 1, got[v].Load(), v)
	}
}
