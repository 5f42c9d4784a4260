package attempt_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/internal/attempt"
	"github.com/stretchr/testify/assert"
)

type key struct{}

func start(parent context.Context, d time.Duration) *attempt.Context {
	c := new(attempt.Context)
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	c.Start(parent, deadline)
	return c
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, watch := range map[string]func(*attempt.Context){
			"nobody waits":  func(*attempt.Context) {},
			"somebody does": func(c *attempt.Context) { c.Done() },
		} {
			c := start(t.Context(), time.Minute)
			watch(c)
			d, ok := c.Deadline()
			assert.True(t, ok, name)
			assert.Equal(t, time.Minute, time.Until(d), name)
			assert.NoError(t, c.Err(), name)
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.ErrorIs(t, c.Err(), context.DeadlineExceeded, name)
			<-c.Done()
			c.End()
			assert.ErrorIs(t, c.Err(), context.DeadlineExceeded, name)
		}
	})
}

func TestNoDeadline(t *testing.T) {
	c := start(t.Context(), -1)
	_, ok := c.Deadline()
	assert.False(t, ok)
	assert.NoError(t, c.Err())
	c.End()
	assert.ErrorIs(t, c.Err(), context.Canceled)
	<-c.Done()
	assert.ErrorIs(t, c.Err(), context.Canceled)
}

func TestParent(t *testing.T) {
	parent, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "v"), time.Hour)
	quiet, watched := start(parent, 2*time.Hour), start(parent, 0)
	done := watched.Done()
	want, _ := parent.Deadline()
	for _, c := range []*attempt.Context{quiet, watched} {
		got, ok := c.Deadline()
		assert.True(t, ok)
		assert.Equal(t, want, got, "the parent's deadline is earlier")
		assert.Equal(t, "v", c.Value(key{}))
	}
	cancel()
	<-done
	assert.ErrorIs(t, quiet.Err(), context.Canceled)
	assert.ErrorIs(t, watched.Err(), context.Canceled)
}

func TestChildrenEndWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t.Context(), time.Second)
		child, cancel := context.WithCancel(c)
		defer cancel()
		<-child.Done()
		assert.ErrorIs(t, child.Err(), context.DeadlineExceeded)
	})
}

func TestEndFreesThoseWhoWait(t *testing.T) {
	c := start(t.Context(), time.Hour)
	done := c.Done()
	go c.End()
	<-done
	assert.ErrorIs(t, c.Err(), context.Canceled)
}

func TestErrDoesNotChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		c := start(parent, time.Second)
		time.Sleep(time.Second)
		assert.ErrorIs(t, c.Err(), context.DeadlineExceeded)
		cancel()
		c.End()
		assert.ErrorIs(t, c.Err(), context.DeadlineExceeded)
		<-c.Done()
		assert.ErrorIs(t, c.Err(), context.DeadlineExceeded)
	})
}

func BenchmarkContext(b *testing.B) {
	b.Run("lazy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := start(b.Context(), time.Minute)
			c.End()
		}
	})
	b.Run("WithTimeout", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, cancel := context.WithTimeout(b.Context(), time.Minute)
			cancel()
		}
	})
}
