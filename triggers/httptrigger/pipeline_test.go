package httptrigger_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

// A pipeline waits as long as the server asks, and sends the same key again.
func TestRetryAfterInAPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		keys := make(map[string]int)
		client := &http.Client{Transport: answers(func(r *http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			keys[r.Header.Get("Idempotency-Key")]++
			resp := &http.Response{StatusCode: 503, Body: http.NoBody, Header: http.Header{"Retry-After": {"240"}}}
			if len(at) == 3 {
				resp.StatusCode = 200
			}
			return resp, nil
		})}
		trigger := &httptrigger.Trigger{URL: "http://a", Client: client}
		done := &triggertest.Recorder{Then: trigger}
		p := &hearken.Pipeline{
			Name:         "test",
			Bus:          new(memory.Bus),
			EventSources: []*hearken.EventSource{push.EventSource},
			Sensors:      []hearken.Sensor{{Name: "s", Actions: []hearken.Action{{When: push, Trigger: done}}}},
		}
		triggertest.Start(t, p)
		e, err := hearken.NewEvent("commit", "42", 1)
		require.NoError(t, err)
		require.NoError(t, p.Emit(t.Context(), push.EventSource, e))
		_, err = done.Wait(t.Context(), 1)
		require.NoError(t, err)

		require.Len(t, at, 3)
		for i := range 2 {
			assert.GreaterOrEqual(t, at[i+1].Sub(at[i]), 4*time.Minute)
			assert.Less(t, at[i+1].Sub(at[i]), 5*time.Minute)
		}
		assert.Len(t, keys, 1)
	})
}
