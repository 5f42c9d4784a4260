package hearken_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reporting is a source that does nothing but say how it is.
type reporting func() hearken.Report

func (reporting) Run(ctx context.Context, _ hearken.Output) error { <-ctx.Done(); return nil }

func (r reporting) Report() hearken.Report { return r() }

func TestHealthShowsWhatASourceReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		var report hearken.Report
		f.source.Source = reporting(func() hearken.Report { return report })
		f.start(t)
		h := f.Health().EventSources[0]
		assert.True(t, h.Running)
		assert.Nil(t, h.Trouble)
		assert.Nil(t, h.Counters)

		report = hearken.Report{
			Trouble:  &hearken.LastError{Err: errBroken, Time: time.Now()},
			Counters: map[string]uint64{"truncated": 3},
		}
		h = f.Health().EventSources[0]
		assert.Equal(t, report.Trouble, h.Trouble)
		assert.Equal(t, report.Counters, h.Counters)
		assert.Nil(t, h.LastError, "what the source deals with itself is no error of Run")

		text, err := json.Marshal(h)
		require.NoError(t, err)
		assert.JSONEq(t, `{
			"name": "orders", "event": "created", "running": true, "restarts": 0, "emitted": 0, "refused": 0,
			"trouble": {"error": "`+errBroken.Error()+`", "time": "2000-01-01T00:00:00Z"}, "counters": {"truncated": 3}
		}`, string(text))
		body := ask(f.ReadyHandler(), http.MethodGet).Body.String()
		assert.NotContains(t, body, errBroken.Error(), "a probe's port may be open to many")
		assert.Contains(t, body, `"trouble":{"error":"see the log"`)
		assert.NoError(t, f.end())
	})
}

func TestHealthSurvivesAReportThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(hearken.Action{Trigger: new(script)})
		f.source.Source = reporting(func() hearken.Report { panic("no report") })
		f.start(t)
		h := f.Health().EventSources[0]
		require.NotNil(t, h.Trouble)
		assert.EqualError(t, h.Trouble.Err, "Report panicked: no report")
		assert.NoError(t, f.end())
	})
}

// dedupingBus is a bus that processes share.
type dedupingBus struct{ *scriptedBus }

func (dedupingBus) DedupeWindow() time.Duration { return 90 * time.Second }

func TestSourcesAreToldWhetherTheBusRecognisesWhatReplicasPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, with := range map[time.Duration]func(*fixture){
			0:                func(*fixture) {},
			90 * time.Second: func(f *fixture) { f.Bus = dedupingBus{f.bus} },
		} {
			f := newFixture(hearken.Action{Trigger: new(script)})
			with(f)
			told := make(chan time.Duration, 1)
			f.source.Source = hearken.SourceFunc(func(_ context.Context, out hearken.Output) error {
				told <- out.Dedupe
				return nil
			})
			f.start(t)
			assert.Equal(t, want, <-told)
			assert.NoError(t, f.end())
		}
	})
}
