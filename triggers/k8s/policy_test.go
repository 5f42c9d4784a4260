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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	// As Argo Rollouts says it, as it said it long ago, and as somebody might.
	asText := func(seen any) map[string]any {
		o := status(map[string]any{"phase": "Succeeded", "done": true, "observedGeneration": seen})
		o["metadata"].(map[string]any)["generation"] = 10
		return o
	}
	for name, tt := range map[string]struct {
		policy k8s.Policy
		object map[string]any
		says   string // empty: success
	}{
		"label":                {label, labelled("done"), ""},
		"another label":        {label, labelled("begun"), `after 100ms it is not so that label phase is "done": label phase is "begun"`},
		"no label":             {label, configMap("a").Object, `it is not so that label phase is "done": label phase is absent`},
		"condition":            {ready, status(map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}), ""},
		"condition, not":       {ready, status(map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False"}}}), `status.conditions.#(type=="Ready").status is True: it is "False"`},
		"all":                  {phase, status(map[string]any{"phase": "Skipped", "done": 1}), ""},
		"one of two":           {phase, status(map[string]any{"phase": "Succeeded"}), "it is not so that status.done is set: it is absent"},
		"false is not set":     {phase, status(map[string]any{"phase": "Succeeded", "done": false}), "status.done is set: it is false"},
		"null is not set":      {phase, status(map[string]any{"phase": "Succeeded", "done": nil}), "status.done is set: it is null"},
		"empty is not set":     {phase, status(map[string]any{"phase": "Succeeded", "done": ""}), `status.done is set: it is ""`},
		"neither of two":       {phase, status(map[string]any{"done": true}), "status.phase is Succeeded or Skipped: it is absent"},
		"failed":               {phase, status(map[string]any{"phase": "Failed"}), "wait for ConfigMap default/a: it has failed: status.phase is Failed"},
		"failed by label":      {phase, labelled("bad"), `it has failed: label phase is "bad"`},
		"label and path":       {both, of(labelled("done"))(map[string]any{"n": 3}), ""},
		"a long one":           {phase, status(map[string]any{"phase": strings.Repeat("x", 1000)}), `it is "` + strings.Repeat("x", 99) + "…"},
		"label, not path":      {both, of(labelled("done"))(map[string]any{"n": 2}), `label phase is "done" and status.n is 3: it is 2`},
		"not caught up":        {phase, generation, "it is not so that status.observedGeneration is 2: it is 1"},
		"not caught up, text":  {phase, asText("9"), "it is not so that status.observedGeneration is 10: it is 9"},
		"caught up, text":      {phase, asText("10"), ""},
		"a hash":               {phase, asText("7d9f9c5b4"), ""},
		"no generation":        {phase, asText(nil), ""},
		"deleted in the while": {phase, nil, "wait for ConfigMap default/a: it was deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			s.Put(pathA, configMap("a").Object)
			trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.CreateIfAbsent, Wait: tt.policy}
			var err error
			if tt.says == "" || tt.object == nil || strings.Contains(tt.says, "it has failed") {
				err = changedTo(t, trigger, s, tt.object)
			} else {
				s.Put(pathA, tt.object)
				trigger.Wait.For = 100 * time.Millisecond
				err = tooLong(t, trigger)
			}
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.says)
			assert.True(t, hearken.IsPermanent(err))
			assert.NotErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

// changedTo fires, and has the object changed once it is watched.
func changedTo(t *testing.T, trigger *k8s.Trigger, s *kubefake.Server, object map[string]any) error {
	t.Helper()
	trigger.Wait.For = patience
	ended := make(chan error, 1)
	go func() { ended <- trigger.Fire(t.Context(), firing(t, "1")) }()
	watches(t, s)
	s.Put(pathA, object)
	return <-ended
}

// tooLong fires until there was time enough to see the object, as a pipeline does.
func tooLong(t *testing.T, trigger *k8s.Trigger) error {
	t.Helper()
	require.NoError(t, trigger.Validate())
	for began := time.Now(); ; {
		err := trigger.Fire(t.Context(), firing(t, "1"))
		t.Log(err)
		if hearken.IsPermanent(err) || err == nil || time.Since(began) > patience {
			return err
		}
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

// An end that falls into a request does not hide what stood in the way before.
func TestWaitThatEndsWhileItAsks(t *testing.T) {
	s := kubefake.New(t, configMaps)
	asked := 0
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1" {
			return false
		}
		if asked++; asked > 1 {
			<-r.Context().Done()
			return true
		}
		kubefake.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not now")
		return true
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // in which it must ask twice
	defer cancel()
	_, err := client(t, s).Wait(ctx, configMap("a"), func(*unstructured.Unstructured) (bool, error) { return true, nil })
	require.ErrorContains(t, err, "not now")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestWaitForWhatCannotBeSeen(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := waitingTrigger(t, s)
	trigger.Wait.For = 50 * time.Millisecond
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Path == "/api/v1" {
			return false
		}
		kubefake.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not now")
		return true
	})
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.ErrorContains(t, err, "could not be seen within 50ms")
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

func TestWaitTellsNoValueOfASecret(t *testing.T) {
	s := kubefake.New(t, kubefake.Kind{Version: "v1", Kind: "Secret", Resource: "secrets"})
	secret := object("v1", "Secret", "default", "a")
	secret.Object["data"] = map[string]any{"password": "c2VjcmV0"}
	s.Put("/api/v1/namespaces/default/secrets/a", secret.Object)
	trigger := &k8s.Trigger{
		Client: client(t, s), Object: fixed(secret), Operation: k8s.CreateIfAbsent,
		Wait: k8s.Policy{Until: []k8s.Condition{{Path: "data.password", Values: []string{"b3RoZXI="}}}, For: 100 * time.Millisecond},
	}
	err := tooLong(t, trigger)
	require.ErrorContains(t, err, "it is not so that data.password is b3RoZXI=: it is something else")
	assert.NotContains(t, err.Error(), "c2VjcmV0")
}
