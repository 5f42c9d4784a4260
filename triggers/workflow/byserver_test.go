package workflow_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/workflow"
)

const failed = "status: {phase: Failed, finishedAt: \"2026-01-02T12:00:00Z\"}\n"

func TestRetry(t *testing.T) {
	s, argo := requireFake(t)
	put(t, s, failed)
	c := control(t, s, workflow.Retry)
	c.Server = argo.client(t)
	c.Arguments = params.Object{"a": params.Data(push, "n"), "b": "x=y"}
	require.NoError(t, c.Validate())
	f := newFiring(t, "1")
	require.NoError(t, c.Fire(t.Context(), f))
	wf := stored(t, s, workflows+"build-x")
	assert.Equal(t, "Running", field(wf, "status", "phase"))
	assert.Equal(t, []any{"a=3", "b=x=y"}, wf.Object["asked"])
	assert.Equal(t, f.ID, wf.GetAnnotations()[acts])

	// It fails again, which is the next firing's.
	putWith(t, s, "annotations: {"+acts+": "+f.ID+"}", failed)
	require.NoError(t, c.Fire(t.Context(), f))
	assert.Equal(t, 1, argo.count("PUT retry"))
	require.NoError(t, c.Fire(t.Context(), newFiring(t, "2")))
	assert.Equal(t, 2, argo.count("PUT retry"))
}

// After a crash, or an answer that was lost, the Workflow itself says whether it
// has been retried.
func TestRetryBegun(t *testing.T) {
	for name, tt := range map[string]struct {
		status string
		asks   int
	}{
		"not yet":           {failed, 1},
		"running":           {"status: {phase: Running}", 0},
		"has failed again":  {"status: {phase: Failed, finishedAt: \"2026-01-02T12:05:00Z\"}", 0},
		"has succeeded now": {"status: {phase: Succeeded, finishedAt: \"2026-01-02T12:05:00Z\"}", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, argo := requireFake(t)
			f := newFiring(t, "1")
			putWith(t, s, "annotations: {"+acts+": "+f.ID+"=2026-01-02T12:00:00Z}", tt.status)
			c := control(t, s, workflow.Retry)
			c.Server = argo.client(t)
			require.NoError(t, c.Fire(t.Context(), f))
			assert.Equal(t, tt.asks, argo.count("PUT retry"))
			assert.Equal(t, f.ID, stored(t, s, workflows+"build-x").GetAnnotations()[acts])
		})
	}
}

func TestRetryWhenTheAnswerIsLost(t *testing.T) {
	s, argo := requireFake(t)
	put(t, s, failed)
	c := control(t, s, workflow.Retry)
	c.Server = argo.client(t)
	argo.set(func() { argo.lost = true })
	f := newFiring(t, "1")
	err := c.Fire(t.Context(), f)
	require.ErrorContains(t, err, "retry Workflow argo/build-x: argo-server: ")
	assert.False(t, hearken.IsPermanent(err))
	require.NoError(t, c.Fire(t.Context(), f))
	assert.Equal(t, 1, argo.count("PUT retry"), "retried once")
}

func TestRetryRefuses(t *testing.T) {
	s, argo := requireFake(t)
	for _, op := range []workflow.Operation{workflow.Retry, workflow.Resubmit} {
		c := control(t, s, op)
		c.Server, c.Memoized = argo.client(t), op == workflow.Resubmit
		for _, phase := range []string{"Succeeded", "Running", "''"} {
			put(t, s, "status: {phase: "+phase+"}")
			err := c.Fire(t.Context(), newFiring(t, "1"))
			require.ErrorContains(t, err, "only what ended Failed or Error can be run again so")
			assert.True(t, hearken.IsPermanent(err))
		}
	}
	assert.Empty(t, argo.calls)
}

func TestResumeOffloaded(t *testing.T) {
	s, argo := requireFake(t)
	argo.nodes = map[string]any{
		"build-x-1": map[string]any{"type": "Suspend", "phase": "Running"},
		"build-x-2": map[string]any{"type": "Pod", "phase": "Running"},
	}
	put(t, s, "status: {phase: Running, offloadNodeStatusVersion: \"fnv:1\"}")
	c := control(t, s, workflow.Resume)
	c.Server = argo.client(t)
	f := newFiring(t, "1")
	argo.set(func() { argo.lost = true })
	require.Error(t, c.Fire(t.Context(), f))
	assert.Equal(t, f.ID+"=build-x-1", stored(t, s, workflows+"build-x").GetAnnotations()[acts])
	argo.set(func() {
		argo.lost = false
		argo.nodes["build-x-3"] = map[string]any{"type": "Suspend", "phase": "Running"} // the next gate
	})
	require.NoError(t, c.Fire(t.Context(), f))
	assert.Equal(t, 1, argo.count("PUT resume"), "the next gate stays shut")
	assert.Equal(t, f.ID, stored(t, s, workflows+"build-x").GetAnnotations()[acts])

	require.NoError(t, c.Fire(t.Context(), newFiring(t, "2")))
	assert.Equal(t, 2, argo.count("PUT resume"))
	err := c.Fire(t.Context(), newFiring(t, "3"))
	require.ErrorContains(t, err, "it is not suspended, or not yet")
	assert.False(t, hearken.IsPermanent(err))
}

func TestResubmitMemoized(t *testing.T) {
	s, argo := requireFake(t)
	putWith(t, s, "labels: {event.hearken.dev/old: x}", failed)
	c := control(t, s, workflow.Resubmit)
	c.Memoized, c.Server = true, argo.client(t)
	require.NoError(t, c.Validate())
	f := newFiring(t, "1")
	argo.set(func() { argo.lost = true })
	require.Error(t, c.Fire(t.Context(), f))
	argo.set(func() { argo.lost = false })
	require.NoError(t, c.Fire(t.Context(), f), "the copy is found")
	require.NoError(t, c.Fire(t.Context(), f))
	assert.Equal(t, 1, argo.count("PUT resubmit"))
	assert.Equal(t, []string{"build-x", "build-x-1"}, names(s))

	made := stored(t, s, workflows+"build-x-1")
	assert.True(t, k8s.MadeBy(made, f))
	assert.NotContains(t, made.GetAnnotations(), acts)
	assert.Equal(t, k8s.LabelValue(f.ID), made.GetLabels()[k8s.FiringLabel])

	second := newFiring(t, "2")
	require.NoError(t, c.Fire(t.Context(), second))
	assert.Equal(t, []string{"build-x", "build-x-1", "build-x-2"}, names(s))
	assert.True(t, k8s.MadeBy(stored(t, s, workflows+"build-x-2"), second))
}

// A copy that the server may be making yet is not asked for again.
func TestResubmitMemoizedWaitsForTheServer(t *testing.T) {
	s, argo := requireFake(t)
	f := newFiring(t, "1")
	c := control(t, s, workflow.Resubmit)
	c.Memoized, c.Server = true, argo.client(t)
	putWith(t, s, "annotations: {"+acts+": "+f.ID+"="+time.Now().UTC().Format(time.RFC3339)+"}", failed)
	err := c.Fire(t.Context(), f)
	require.ErrorContains(t, err, "it was asked for a copy, which is not there yet")
	assert.False(t, hearken.IsPermanent(err))
	assert.Zero(t, argo.count("PUT resubmit"))

	putWith(t, s, "annotations: {"+acts+": "+f.ID+"="+time.Now().UTC().Add(-2*time.Minute).Format(time.RFC3339)+"}", failed)
	require.NoError(t, c.Fire(t.Context(), f))
	assert.Equal(t, 1, argo.count("PUT resubmit"))
}

// Both firings were cut off after the server had made their copies, of which the
// later bears the notes of both.
func TestResubmitMemoizedByTwoFirings(t *testing.T) {
	s, argo := requireFake(t)
	c := control(t, s, workflow.Resubmit)
	c.Memoized, c.Server = true, argo.client(t)
	first, second := newFiring(t, "1"), newFiring(t, "2")
	now := time.Now().UTC().Format(time.RFC3339)
	one, both := first.ID+"="+now, first.ID+"="+now+" "+second.ID+"="+now
	putWith(t, s, "annotations: {"+acts+": "+both+"}", failed)
	for name, noted := range map[string]string{"copy-1": one, "copy-2": both} {
		s.Put(workflows+name, object(t, "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: "+name+", namespace: argo, labels: {"+
			"workflows.argoproj.io/resubmitted-from-workflow: build-x}, annotations: {"+acts+": "+noted+"}}").Object)
	}
	require.NoError(t, c.Fire(t.Context(), first))
	require.NoError(t, c.Fire(t.Context(), second))
	assert.True(t, k8s.MadeBy(stored(t, s, workflows+"copy-1"), first))
	assert.True(t, k8s.MadeBy(stored(t, s, workflows+"copy-2"), second))
	assert.Zero(t, argo.count("PUT resubmit"))
}

// Two processes fire the same firing: the server refuses the second.
func TestRetryByTwo(t *testing.T) {
	s, argo := requireFake(t)
	put(t, s, failed)
	argo.set(func() {
		argo.fail = func(w http.ResponseWriter) {
			wf := stored(t, s, workflows+"build-x")
			wf.Object["status"] = map[string]any{"phase": "Running"}
			s.Put(workflows+"build-x", wf.Object)
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"message":"Cannot retry a workflow in phase Running"}`)
		}
	})
	c := control(t, s, workflow.Retry)
	c.Server = argo.client(t)
	f := newFiring(t, "1")
	require.NoError(t, c.Fire(t.Context(), f))
	assert.Equal(t, f.ID, stored(t, s, workflows+"build-x").GetAnnotations()[acts])
}

func TestServerErrors(t *testing.T) {
	s, argo := requireFake(t)
	c := control(t, s, workflow.Retry)
	c.Server = argo.client(t)
	for status, permanent := range map[int]bool{
		400: true, 403: true, 404: true, 302: true, 501: false,
		401: false, 409: false, 429: false, 500: false, 503: false,
	} {
		put(t, s, failed)
		argo.set(func() {
			argo.fail = func(w http.ResponseWriter) {
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"code":3,"message":"no, t0ken"}`)
			}
		})
		err := c.Fire(t.Context(), newFiring(t, "1"))
		require.ErrorContains(t, err, fmt.Sprintf("argo-server: PUT /base/api/v1/workflows/argo/build-x/retry: %d %s: no, ***", status, http.StatusText(status)))
		assert.Equal(t, permanent, hearken.IsPermanent(err), status)
	}
	argo.set(func() { argo.fail = func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") } })
	put(t, s, "status: {phase: Running, offloadNodeStatusVersion: \"fnv:1\"}")
	c.Operation = workflow.Resume
	err := c.Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, "the answer: invalid character '<'")
}

// The Server's own client follows no redirect: the token is for one host.
func TestServerFollowsNoRedirect(t *testing.T) {
	s, argo := requireFake(t)
	put(t, s, failed)
	argo.set(func() {
		argo.fail = func(w http.ResponseWriter) {
			w.Header().Set("Location", argo.URL+"/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
	c := control(t, s, workflow.Retry)
	c.Server = &workflow.Server{URL: argo.URL + "/base", Token: "t0ken"}
	t.Cleanup(c.Server.CloseIdleConnections)
	err := c.Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, "307 Temporary Redirect")
	assert.True(t, hearken.IsPermanent(err))
	assert.Len(t, argo.calls, 1)
}

// A server's text is cut where it echoes the token.
func TestRefusalShowsNoPartOfTheToken(t *testing.T) {
	s, argo := requireFake(t)
	put(t, s, failed)
	argo.set(func() {
		argo.fail = func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, strings.Repeat("x", 510), "t0ken")
		}
	})
	c := control(t, s, workflow.Retry)
	c.Server = argo.client(t)
	err := c.Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, "403 Forbidden")
	assert.NotContains(t, err.Error(), "t0")
}

// A token that JSON writes otherwise is hidden where it is read.
func TestRefusalShowsNoTokenThatIsEscaped(t *testing.T) {
	s, argo := requireFake(t)
	put(t, s, failed)
	argo.set(func() {
		argo.fail = func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"message": "no such token: t\u0030ken"}`)
		}
	})
	c := control(t, s, workflow.Retry)
	c.Server = argo.client(t)
	err := c.Fire(t.Context(), newFiring(t, "1"))
	require.ErrorContains(t, err, "no such token: ***")
	assert.NotContains(t, err.Error(), "t0ken")
}

func TestRefusalWithoutAToken(t *testing.T) {
	s, _ := requireFake(t)
	put(t, s, failed)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such user", http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	c := control(t, s, workflow.Retry)
	c.Server = &workflow.Server{URL: server.URL, Client: server.Client()}
	assert.ErrorContains(t, c.Fire(t.Context(), newFiring(t, "1")), ": no such user")
}
