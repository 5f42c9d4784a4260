package lambdatrigger_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/internal/lambdatest"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

// throttleFirst returns what refuses the first n invocations.
func throttleFirst(n int) func(lambdatest.Invocation) *lambdatest.Error {
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	return func(lambdatest.Invocation) *lambdatest.Error {
		select {
		case <-left:
			return lambdatest.Throttled(0)
		default:
			return nil
		}
	}
}

// From an event to a real function, through a pipeline: each outcome ends as
// stated, in success, a retry or a dead letter.
func TestFunctionInAPipeline(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		data        string
		trigger     *lambdatrigger.Trigger
		refuse      func(lambdatest.Invocation) *lambdatest.Error
		timeout     time.Duration
		retry       hearken.Retry
		invocations int
		letter      string // the error that it bears; empty: none
	}{
		{name: "success", data: `{"name":"x"}`, trigger: new(lambdatrigger.Trigger), invocations: 1},
		{name: "Event", data: `{"name":"x"}`, trigger: &lambdatrigger.Trigger{InvocationType: types.InvocationTypeEvent, FiringPath: "meta.firing"}, invocations: 1},
		{name: "DryRun", data: `{"do":"fail"}`, trigger: &lambdatrigger.Trigger{InvocationType: types.InvocationTypeDryRun}, invocations: 1},
		{name: "throttles", data: `{}`, trigger: new(lambdatrigger.Trigger), refuse: throttleFirst(3), invocations: 4},
		{
			name: "the function fails", data: `{"do":"fail"}`, trigger: &lambdatrigger.Trigger{LogTail: true}, refuse: throttleFirst(1), invocations: 4,
			letter: "lambda function hello failed (Unhandled): errorString: no luck; log: ",
		},
		{
			name: "timeout", data: `{"do":"hang"}`, trigger: new(lambdatrigger.Trigger), timeout: 3 * time.Second, invocations: 1,
			letter: "the function may still run (RetryTimeouts)",
		},
		{
			name: "timeout with RetryTimeouts", data: `{"do":"hang"}`, trigger: &lambdatrigger.Trigger{RetryTimeouts: true}, timeout: 3 * time.Second,
			retry: hearken.Retry{Attempts: 2}, invocations: 2, letter: "context deadline exceeded",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			emulator := start(t, time.Minute)
			emulator.Refuse(tt.refuse)
			tt.trigger.Client, tt.trigger.FunctionName, tt.trigger.Payload = newClient(t, emulator.URL), "hello", hearken.PayloadFunc(payload)
			tt.retry.Min, tt.retry.Max = time.Microsecond, time.Millisecond
			source := &hearken.EventSource{Name: "cluster", Event: "pod"}
			letters := new(triggertest.Recorder)
			p := &hearken.Pipeline{
				Name: "test", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{source},
				Sensors: []hearken.Sensor{{Name: "call", Actions: []hearken.Action{{
					When:    &hearken.Dependency{Name: "pod", EventSource: source},
					Trigger: tt.trigger, Retry: tt.retry, Timeout: tt.timeout,
				}}}, {Name: "letters", Actions: []hearken.Action{{
					When: &hearken.Dependency{EventSource: hearken.DeadLetters("call")}, Trigger: letters,
				}}}},
			}
			stop := triggertest.Start(t, p)
			e, err := hearken.NewEvent("resource", "1", []byte(tt.data))
			require.NoError(t, err)
			require.NoError(t, p.Emit(t.Context(), source, e))
			require.Eventually(t, func() bool { return p.Health().Sensors[0].Settled == 1 }, time.Minute, time.Millisecond)
			if tt.letter != "" {
				got, err := letters.Wait(t.Context(), 1)
				require.NoError(t, err)
				for _, e := range got[0].Events {
					assert.Contains(t, e.Extensions()["hearkenerror"], tt.letter)
				}
			}
			require.NoError(t, stop())
			assert.Len(t, emulator.Invocations(), tt.invocations)
			assert.Len(t, letters.Firings(), min(len(tt.letter), 1))
		})
	}
}
