package hearken_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/assert"
)

// logged gives the fixture a logger that writes to what is returned.
func logged(f *fixture, level slog.Level) *bytes.Buffer {
	var out bytes.Buffer
	f.Logger = slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
	return &out
}

func TestOutageDoesNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: always{errBroken}, Retry: hearken.Retry{For: 25 * time.Second}})
		out := logged(f, slog.LevelWarn)
		f.start(t)
		for range 50 {
			f.deliver("1")
		}
		time.Sleep(25 * time.Second)
		synctest.Wait()
		assert.Equal(t, 3, strings.Count(out.String(), "firing failed"), "one every 10 seconds")
		assert.Equal(t, 50, strings.Count(out.String(), "event dead-lettered"), "what is given up is always told")
		assert.Contains(t, out.String(), "level=ERROR")
		assert.NoError(t, f.end())
	})
}

// explained is a filter that says why.
type explained struct{ filterFunc }

func (explained) Explain(e hearken.Event) string { return "no for " + e.ID() }

func TestRejectionsAreExplained(t *testing.T) {
	no := filterFunc(func(hearken.Event) (bool, error) { return false, nil })
	for want, filter := range map[string]hearken.Filter{`why="no for 1"`: explained{no}, `why="the filter does not match"`: no} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(hearken.Action{Trigger: new(script)})
			f.dep.Filter = filter
			out := logged(f, slog.LevelDebug)
			f.start(t)
			f.deliver("1")
			assert.Contains(t, out.String(), want)
			assert.Contains(t, out.String(), "dependency=created")
			assert.NoError(t, f.end())
		})
	}
}

func TestPanicIsLoggedWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Retry: hearken.Retry{Attempts: 1}, Trigger: panicking{}})
		out := logged(f, slog.LevelWarn)
		f.start(t)
		f.deliver("1")
		assert.Contains(t, out.String(), "panicking.Fire")
		assert.NoError(t, f.end())
	})
}
