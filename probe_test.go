package hearken_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func ask(h http.Handler, method string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), method, "/", nil))
	return w
}

func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := hearken.TriggerFunc(func(context.Context, hearken.Firing) error { time.Sleep(10 * time.Second); return nil })
		f := newFixture(hearken.Action{Trigger: slow})
		live, ready := f.LiveHandler(), f.ReadyHandler()
		check := func(when string, wantLive, wantReady int) {
			assert.Equal(t, wantLive, ask(live, http.MethodGet).Code, "live, %s", when)
			assert.Equal(t, wantReady, ask(ready, http.MethodGet).Code, "ready, %s", when)
		}
		check("before Run", 200, 503)
		f.start(t)
		check("running", 200, 200)
		f.bus.failReceive(errBroken)
		synctest.Wait()
		check("with a broken subscription", 200, 503)
		time.Sleep(time.Minute)
		check("that is well again", 200, 200)
		f.deliver("1")
		f.stop()
		synctest.Wait()
		check("draining", 200, 503)
		require.NoError(t, <-f.done)
		check("ended", 503, 503)
	})
}

func TestLivenessEndsWithARunThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.source.Source = hearken.SourceFunc(func(context.Context, hearken.Output) error { return hearken.Permanent(errBroken) })
		require.ErrorIs(t, f.Run(t.Context()), errBroken)
		assert.Equal(t, http.StatusServiceUnavailable, ask(f.LiveHandler(), http.MethodGet).Code)
	})
}

func TestProbeMethods(t *testing.T) {
	h := newFixture().LiveHandler()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		w := ask(h, method)
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"), method)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	res, err := http.Head(server.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, "application/json", res.Header.Get("Content-Type"))
	assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
}

// A probe's port may be open to many, and an error's text may hold anything.
func TestProbeShowsHealthWithoutTheTextsOfErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errSecret := errors.New("token s3cret is wrong")
		f := newFixture(hearken.Action{Trigger: always{errSecret}, Retry: hearken.Retry{Attempts: 1}})
		f.dep.Filter = filterFunc(func(e hearken.Event) (bool, error) {
			if e.ID() == "bad" {
				return false, errSecret
			}
			return true, nil
		})
		f.start(t)
		f.bus.failPublish(errSecret)
		require.Error(t, f.Emit(t.Context(), f.source, order(t, "")))
		f.deliver("1")
		f.bus.failPublish(nil)
		f.deliver("bad")
		time.Sleep(time.Minute)
		before, err := json.Marshal(f.Health())
		require.NoError(t, err)
		require.Contains(t, string(before), "s3cret")

		body := ask(f.ReadyHandler(), http.MethodGet).Body.String()
		assert.NotContains(t, body, "s3cret")
		assert.JSONEq(t, `{
			"ready": true, "ended": false,
			"event_sources": [{
				"name": "orders", "event": "created", "running": false, "restarts": 0, "emitted": 0, "refused": 1,
				"last_error": {"error": "see the log", "time": "2000-01-01T00:00:00Z"}
			}],
			"sensors": [{
				"name": "s", "receiving": true, "in_flight": 0, "received": 2, "redelivered": 0, "repeated": 0, "settled": 2,
				"handed_back": 0, "dead_lettered": 0, "unburied": 0, "last_received": "2000-01-01T00:00:00Z",
				"last_error": {"error": "see the log", "time": "2000-01-01T00:00:00Z"},
				"dependencies": [{
					"name": "created", "event_source": "orders", "event": "created", "received": 2, "matched": 1, "filtered_out": 0, "failed": 1,
					"last_seen": "2000-01-01T00:00:00Z", "last_error": {"error": "see the log", "time": "2000-01-01T00:00:00Z"}
				}],
				"actions": [{
					"name": "s", "joined": 0, "pending": 0, "superseded": 0, "expired": 0, "reset": 0,
					"fired": 0, "failed": 1, "retried": 0, "dead_lettered": 2,
					"last_error": {"error": "see the log", "time": "2000-01-01T00:00:00Z"}
				}]
			}]
		}`, body)
		after, err := json.Marshal(f.Health())
		require.NoError(t, err)
		assert.JSONEq(t, string(before), string(after), "Health itself keeps them")
		assert.NoError(t, f.end())
	})
}

// groupsBus is a bus that can tell of its groups.
type groupsBus struct {
	*scriptedBus
	infos []bus.GroupInfo
	err   error
}

func (b groupsBus) Groups(ctx context.Context) ([]bus.GroupInfo, error) {
	return b.infos, errors.Join(b.err, ctx.Err())
}

func (groupsBus) Forget(context.Context, string) error { return nil }

func TestBacklog(t *testing.T) {
	f := newFixture(hearken.Action{Trigger: new(script)})
	_, err := f.Backlog(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)

	f.Name, f.Sensors[0].Name = "a/b", "50%"
	f.Sensors = append(f.Sensors, hearken.Sensor{Name: "never subscribed"})
	mine := bus.GroupInfo{Name: "a%2Fb/50%25", Backlog: 7, LastActive: time.Unix(1, 0)}
	f.Bus = groupsBus{f.bus, []bus.GroupInfo{{Name: "a/b/50%", Backlog: 1}, mine}, nil}
	got, err := f.Backlog(t.Context())
	require.NoError(t, err)
	assert.Equal(t, map[string]bus.GroupInfo{"50%": mine}, got)

	f.Bus = groupsBus{f.bus, nil, errBroken}
	_, err = f.Backlog(t.Context())
	require.ErrorIs(t, err, errBroken)
}

// What waits while a sensor's workers are busy is its backlog, and what they
// have in hand too.
func TestBacklogOfARunningPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: hearken.TriggerFunc(func(context.Context, hearken.Firing) error { time.Sleep(time.Second); return nil })})
		f.Bus = new(memory.Bus)
		f.start(t)
		for i := range 3 {
			e := order(t, "")
			e.SetID(strconv.Itoa(i))
			require.NoError(t, f.Emit(t.Context(), f.source, e))
		}
		got, err := f.Backlog(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 3, got["s"].Backlog)
		time.Sleep(2 * time.Second)
		got, err = f.Backlog(t.Context())
		require.NoError(t, err)
		assert.Zero(t, got["s"].Backlog)
		assert.NoError(t, f.end())
	})
}
