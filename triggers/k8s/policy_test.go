package k8s_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPolicy(t *testing.T) {
	labelled := func(value string) map[string]any {
		o := configMap("a")
		o.SetLabels(map[string]string{"phase": value})
		return o.Object
	}
	status := func(status map[string]any) map[string]any {
		o := configMap("a").Object
		o["status"] = status
		return o
	}
	ready := k8s.Policy{Until: []k8s.Condition{{Path: `status.conditions.#(type=="Ready").status`, Values: []string{"True"}}}}
	phase := k8s.Policy{
		Until: []k8s.Condition{{Path: "status.phase", Values: []string{"Succeeded", "Skipped"}}, {Path: "status.done"}},
		Fail:  []k8s.Condition{{Path: "status.phase", Values: []string{"Failed"}}, {Labels: map[string]string{"phase": "bad"}}},
	}
	label := k8s.Policy{Until: []k8s.Condition{{Labels: map[string]string{"phase": "done"}}}}
	both := k8s.Policy{Until: []k8s.Condition{{Labels: map[string]string{"phase": "done"}, Path: "status.n", Values: []string{"3"}}}}
	of := func(o map[string]any) func(map[string]any) map[string]any {
		return func(status map[string]any) map[string]any { o["status"] = status; return o }
	}
	generation := status(map[string]any{"phase": "Succeeded", "done": true, "observedGeneration": 1})
	generation["metadata"].(map[string]any)["generation"] = 2
	for name, tt := range map[string]struct {
		policy k8s.Policy
		object map[string]any
		says   string // empty: success
	}{
		"label":                {label, labelled("done"), ""},
		"another label":        {label, labelled("begun"), `it is not so that label phase is "done"`},
		"no label":             {label, configMap("a").Object, `it is not so that label phase is "done"`},
		"condition":            {ready, status(map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}), ""},
		"condition, not":       {ready, status(map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False"}}}), `status.conditions.#(type=="Ready").status is True`},
		"all":                  {phase, status(map[string]any{"phase": "Skipped", "done": 1}), ""},
		"one of two":           {phase, status(map[string]any{"phase": "Succeeded"}), "it is not so that status.done is set"},
		"false is not set":     {phase, status(map[string]any{"phase": "Succeeded", "done": false}), "status.done is set"},
		"null is not set":      {phase, status(map[string]any{"phase": "Succeeded", "done": nil}), "status.done is set"},
		"empty is not set":     {phase, status(map[string]any{"phase": "Succeeded", "done": ""}), "status.done is set"},
		"neither of two":       {phase, status(map[string]any{"done": true}), "status.phase is Succeeded or Skipped"},
		"failed":               {phase, status(map[string]any{"phase": "Failed"}), "wait for ConfigMap default/a: it has failed: status.phase is Failed"},
		"failed by label":      {phase, labelled("bad"), `it has failed: label phase is "bad"`},
		"label and path":       {both, of(labelled("done"))(map[string]any{"n": 3}), ""},
		"label, not path":      {both, of(labelled("done"))(map[string]any{"n": 2}), `label phase is "done" and status.n is 3`},
		"not caught up":        {phase, generation, "it is not so that status.observedGeneration is 2"},
		"deleted in the while": {phase, nil, "wait for ConfigMap default/a: it was deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := kubefake.New(t, configMaps)
			s.Put(pathA, configMap("a").Object)
			tt.policy.For = time.Minute
			if tt.object != nil && tt.says != "" && !strings.Contains(tt.says, "it has failed") {
				tt.policy.For = 3 * time.Second // which is waited for, and in which the object must have been seen
			}
			trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.CreateIfAbsent, Wait: tt.policy}
			require.NoError(t, trigger.Validate())
			ended := make(chan error, 1)
			go func() { ended <- trigger.Fire(t.Context(), firing(t, "1")) }()
			watches(t, s)
			s.Put(pathA, tt.object)
			err := <-ended
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.says)
			if tt.policy.For < time.Minute {
				require.ErrorContains(t, err, "after 3s it is not so that ")
			}
			assert.True(t, hearken.IsPermanent(err))
			assert.NotErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

func TestNoWaitByDefault(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := &k8s.Trigger{Client: client(t, s), Object: manifest()}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	for _, r := range s.Requests() {
		assert.NotContains(t, r, "watch")
	}
	assert.Zero(t, trigger.AttemptTimeout())
	assert.Zero(t, trigger.MinTimeout())
}

func TestWaitThatIsCutShort(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := waitingTrigger(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- trigger.Fire(ctx, firing(t, "1")) }()
	watches(t, s)
	cancel()
	err := <-ended
	require.ErrorIs(t, err, context.Canceled)
	assert.False(t, hearken.IsPermanent(err))
}

// What a crash leaves is found, and waited for, by the firing that comes again.
func TestWaitResumes(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := waitingTrigger(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		watches(t, s)
		cancel()
	}()
	require.Error(t, trigger.Fire(ctx, firing(t, "1")))
	require.Len(t, s.Objects(), 1)
	for path, o := range s.Objects() {
		o["status"] = map[string]any{"phase": "Succeeded"}
		s.Put(path, o)
	}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	assert.Len(t, s.Objects(), 1)
}

func TestWaitForWhatCannotBeSeen(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := waitingTrigger(t, s)
	trigger.Wait.For = 2 * time.Second // in which it must have been asked for once
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Path == "/api/v1" {
			return false
		}
		kubefake.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not now")
		return true
	})
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.ErrorContains(t, err, "could not be seen within 2s")
	require.ErrorContains(t, err, "not now")
	assert.False(t, hearken.IsPermanent(err))
}

func waitingTrigger(tb testing.TB, s *kubefake.Server) *k8s.Trigger {
	tb.Helper()
	return &k8s.Trigger{Client: client(tb, s), Object: manifest(), Wait: k8s.Policy{
		Until: []k8s.Condition{{Path: "status.phase", Values: []string{"Succeeded"}}},
		For:   time.Hour,
	}}
}

func TestTimeouts(t *testing.T) {
	trigger := waitingTrigger(t, kubefake.New(t))
	assert.Equal(t, time.Hour+time.Minute, trigger.AttemptTimeout())
	assert.Equal(t, time.Hour, trigger.MinTimeout())
}
