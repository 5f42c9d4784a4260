package workflow_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/workflow"
)

const rollout = inArgo + "rollouts/build-x"

func putRollout(t *testing.T, s *kubefake.Server, more string) {
	t.Helper()
	s.Put(rollout, object(t, "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: build-x, namespace: argo}\n"+more).Object)
}

// patchesStatus has s apply JSON patches of the fields of a status, as the
// subresource does, and returns those that came. before is called before each.
func patchesStatus(s *kubefake.Server, before func()) *[]string {
	var came []string
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Content-Type") != "application/json-patch+json" {
			return false
		}
		raw, _ := io.ReadAll(r.Body) // a body that breaks off is no JSON
		came = append(came, strings.TrimPrefix(r.URL.Path, inArgo)+" "+string(raw))
		before()
		o := s.Object(rollout)
		if !applyStatus(o["status"].(map[string]any), raw) {
			kubefake.Fail(w, http.StatusUnprocessableEntity, "Invalid", "testing value failed")
			return true
		}
		s.Put(rollout, o)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(o)
		return true
	})
	return &came
}

func applyStatus(status map[string]any, raw []byte) bool {
	var patch []struct {
		Op, Path string
		Value    any
	}
	if json.Unmarshal(raw, &patch) != nil {
		return false
	}
	for _, c := range patch {
		key := strings.TrimPrefix(c.Path, "/status/")
		was, there := status[key]
		switch c.Op {
		case "add":
			status[key] = c.Value
		case "remove":
			if !there {
				return false
			}
			delete(status, key)
		case "test":
			if fmt.Sprint(was) != fmt.Sprint(c.Value) { // numbers are of two types
				return false
			}
		}
	}
	return true
}

func steer(tb testing.TB, s *kubefake.Server, op workflow.RolloutOperation) *workflow.Rollout {
	tb.Helper()
	r := &workflow.Rollout{Client: clientOf(tb, s.URL), Operation: op, Name: params.Data(push, "name")}
	require.NoError(tb, r.Validate())
	return r
}

func TestRolloutPatches(t *testing.T) {
	const hash = `[{"op":"test","path":"/status/currentPodHash","value":"abc"},`
	const at = hash + `{"op":"test","path":"/status/currentStepIndex","value":1},`
	for name, tt := range map[string]struct {
		op                workflow.RolloutOperation
		rollout           string
		status, wantAfter string // the JSON patch, and spec and status afterwards
	}{
		"promote a canary": {
			workflow.Promote, "status: {currentPodHash: abc, stableRS: old, currentStepIndex: 1, pauseConditions: [{reason: CanaryPauseStep}]}",
			at + `{"op":"remove","path":"/status/pauseConditions"}]`,
			"status:\n  currentPodHash: abc\n  currentStepIndex: 1\n  stableRS: old\n",
		},
		"promote a blue-green": {
			workflow.Promote, "status: {currentPodHash: abc, stableRS: old, pauseConditions: [{reason: BlueGreenPause}]}",
			`[{"op":"test","path":"/status/currentPodHash","value":"abc"},{"op":"remove","path":"/status/pauseConditions"}]`,
			"status:\n  currentPodHash: abc\n  stableRS: old\n",
		},
		"promote one paused by hand": {
			workflow.Promote, "spec: {paused: true}\nstatus: {currentPodHash: abc, stableRS: old, currentStepIndex: 1}",
			"", "spec:\n  paused: false\nstatus:\n  currentPodHash: abc\n  currentStepIndex: 1\n  stableRS: old\n",
		},
		"promote one paused both ways": {
			workflow.Promote, "spec: {paused: true}\nstatus: {currentPodHash: abc, stableRS: old, currentStepIndex: 1, pauseConditions: [{}]}",
			at + `{"op":"remove","path":"/status/pauseConditions"}]`,
			"spec:\n  paused: false\nstatus:\n  currentPodHash: abc\n  currentStepIndex: 1\n  stableRS: old\n",
		},
		"promote after an inconclusive analysis": {
			workflow.Promote, "spec: {strategy: {canary: {steps: [{}, {}, {}]}}}\nstatus: {currentPodHash: abc, stableRS: old, currentStepIndex: 1," +
				" controllerPause: true, pauseConditions: [{}], canary: {currentStepAnalysisRunStatus: {status: Inconclusive}}}",
			at + `{"op":"remove","path":"/status/pauseConditions"},{"op":"add","path":"/status/controllerPause","value":false},` +
				`{"op":"add","path":"/status/currentStepIndex","value":2}]`,
			"spec:\n  strategy:\n    canary:\n      steps:\n      - {}\n      - {}\n      - {}\nstatus:\n  canary:\n    currentStepAnalysisRunStatus:\n      status: Inconclusive\n" +
				"  controllerPause: false\n  currentPodHash: abc\n  currentStepIndex: 2\n  stableRS: old\n",
		},
		"promote in full": {
			workflow.PromoteFull, "status: {currentPodHash: abc, stableRS: old, currentStepIndex: 1}",
			hash + `{"op":"add","path":"/status/promoteFull","value":true}]`,
			"status:\n  currentPodHash: abc\n  currentStepIndex: 1\n  promoteFull: true\n  stableRS: old\n",
		},
		"promote in full what is through": {
			workflow.PromoteFull, "status: {currentPodHash: abc, stableRS: abc}",
			"", "status:\n  currentPodHash: abc\n  stableRS: abc\n",
		},
		"abort": {
			workflow.Abort, "status: {currentPodHash: abc, stableRS: old, currentStepIndex: 1}",
			hash + `{"op":"add","path":"/status/abort","value":true}]`,
			"status:\n  abort: true\n  currentPodHash: abc\n  currentStepIndex: 1\n  stableRS: old\n",
		},
		"abort a promotion in full": {
			workflow.Abort, "status: {currentPodHash: abc, stableRS: old, promoteFull: true}",
			hash + `{"op":"add","path":"/status/promoteFull","value":false},{"op":"add","path":"/status/abort","value":true}]`,
			"status:\n  abort: true\n  currentPodHash: abc\n  promoteFull: false\n  stableRS: old\n",
		},
		"promote in full what is aborted": {
			workflow.PromoteFull, "status: {abort: true, currentPodHash: abc, stableRS: old}",
			hash + `{"op":"add","path":"/status/promoteFull","value":true}]`,
			"status:\n  abort: true\n  currentPodHash: abc\n  promoteFull: true\n  stableRS: old\n",
		},
		"abort what was aborted and then promoted in full": {
			workflow.Abort, "status: {abort: true, currentPodHash: abc, stableRS: old, promoteFull: true}",
			hash + `{"op":"add","path":"/status/promoteFull","value":false},{"op":"add","path":"/status/abort","value":true}]`,
			"status:\n  abort: true\n  currentPodHash: abc\n  promoteFull: false\n  stableRS: old\n",
		},
		"abort what is aborted": {
			workflow.Abort, "status: {abort: true, currentPodHash: abc, stableRS: old}",
			"", "status:\n  abort: true\n  currentPodHash: abc\n  stableRS: old\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			putRollout(t, s, tt.rollout)
			came := patchesStatus(s, func() {})
			r := steer(t, s, tt.op)
			r.PodHash = params.Data(push, "hash")
			f := newFiring(t, "1")
			require.NoError(t, r.Fire(t.Context(), f))
			require.NoError(t, r.Fire(t.Context(), f))
			if tt.status == "" {
				assert.Empty(t, *came)
			} else {
				assert.Equal(t, []string{"rollouts/build-x/status " + tt.status}, *came)
			}
			ro := stored(t, s, rollout)
			assert.Equal(t, f.ID, ro.GetAnnotations()[acts])
			after := map[string]any{"status": ro.Object["status"]}
			if spec := ro.Object["spec"]; spec != nil {
				after["spec"] = spec
			}
			assert.Equal(t, tt.wantAfter, yamlOf(t, after))
		})
	}
}

func TestRolloutRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		op           workflow.RolloutOperation
		status, want string
		permanent    bool
	}{
		"another version":          {workflow.Promote, "{currentPodHash: new, pauseConditions: [{}]}", `it is at pod hash "new", not at "abc"`, true},
		"not paused":               {workflow.Promote, "{currentPodHash: abc, stableRS: old, currentStepIndex: 2}", "it is not paused, or not yet: abc/2", false},
		"nothing to promote":       {workflow.Promote, "{currentPodHash: abc, stableRS: abc}", "abc is the stable version already", true},
		"aborted":                  {workflow.Promote, "{currentPodHash: abc, stableRS: old, abort: true}", "it has been aborted", true},
		"aborted at its pause":     {workflow.Promote, "{currentPodHash: abc, stableRS: old, abort: true, currentStepIndex: 1, pauseConditions: [{}]}", "it has been aborted", true},
		"no status":                {workflow.Promote, "null", "its controller has not seen it yet", false},
		"an odd status":            {workflow.Promote, "{currentPodHash: abc, stableRS: old, currentStepIndex: one, pauseConditions: {}}", "it is not paused, or not yet: abc", false},
		"nothing to abort":         {workflow.Abort, "{currentPodHash: abc, stableRS: abc}", "abc is the stable version already", true},
		"not seen by controllers":  {workflow.Abort, "{}", "its controller has not seen it yet", false},
		"another version, unseen":  {workflow.Promote, "{observedGeneration: '3', currentPodHash: old, stableRS: old}", "its controller has not seen its generation 4 yet", false},
		"promoted before it began": {workflow.Promote, "{observedGeneration: '3', currentPodHash: abc, stableRS: abc}", "its controller has not seen its generation 4 yet", false},
		"at the pause before":      {workflow.Promote, "{observedGeneration: '3', currentPodHash: abc, stableRS: old, pauseConditions: [{}]}", "its controller has not seen its generation 4 yet", false},
		"in full, before it began": {workflow.PromoteFull, "{observedGeneration: '3', currentPodHash: abc, stableRS: abc}", "its controller has not seen its generation 4 yet", false},
		"aborted before it began":  {workflow.Abort, "{observedGeneration: '3', currentPodHash: abc, stableRS: abc}", "its controller has not seen its generation 4 yet", false},
		"by a controller of old":   {workflow.Abort, "{observedGeneration: 5f7d9c4b, currentPodHash: abc, stableRS: abc}", "abc is the stable version already", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			putRollout(t, s, "status: "+tt.status)
			changed := stored(t, s, rollout)
			changed.SetGeneration(4)
			s.Put(rollout, changed.Object)
			r := steer(t, s, tt.op)
			if name != "not seen by controllers" {
				r.PodHash = params.Data(push, "hash")
			}
			err := r.Fire(t.Context(), newFiring(t, "1"))
			require.ErrorContains(t, err, string(tt.op)+" Rollout argo/build-x: ")
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err))
			assert.Empty(t, stored(t, s, rollout).GetAnnotations())
		})
	}
}

// A firing that is fired again never promotes the pause after the one it meant.
func TestPromotionBegun(t *testing.T) {
	f := newFiring(t, "1")
	for name, tt := range map[string]struct {
		status  string
		patches int
	}{
		"not yet":            {"{currentPodHash: abc, stableRS: old, currentStepIndex: 1, pauseConditions: [{}]}", 1},
		"promoted":           {"{currentPodHash: abc, stableRS: old, currentStepIndex: 1}", 0},
		"at the next pause":  {"{currentPodHash: abc, stableRS: old, currentStepIndex: 3, pauseConditions: [{}]}", 0},
		"aborted since":      {"{currentPodHash: abc, stableRS: old, currentStepIndex: 1, abort: true, pauseConditions: [{}]}", 0},
		"at another version": {"{currentPodHash: new, stableRS: old, currentStepIndex: 1, pauseConditions: [{}]}", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			putRollout(t, s, "status: "+tt.status)
			o := stored(t, s, rollout)
			o.SetAnnotations(map[string]string{acts: f.ID + "=abc/1"})
			s.Put(rollout, o.Object)
			came := patchesStatus(s, func() {})
			require.NoError(t, steer(t, s, workflow.Promote).Fire(t.Context(), f))
			assert.Len(t, *came, tt.patches)
			assert.Equal(t, f.ID, stored(t, s, rollout).GetAnnotations()[acts])
		})
	}
}

// An event without a pod hash is about none, and not about any.
func TestRolloutOfAnEmptyPodHash(t *testing.T) {
	for name, hash := range map[string]params.Value{"empty": params.Const(""), "null": params.Const(nil)} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			putRollout(t, s, "status: {currentPodHash: abc, stableRS: old, currentStepIndex: 1, pauseConditions: [{}]}")
			r := steer(t, s, workflow.Promote)
			r.PodHash = hash
			err := r.Fire(t.Context(), newFiring(t, "1"))
			require.ErrorContains(t, err, `it is at pod hash "abc", not at`)
			assert.True(t, hearken.IsPermanent(err))
		})
	}
}

// Between reading and writing somebody else acts.
func TestPromotionOvertaken(t *testing.T) {
	const at = "status: {currentPodHash: abc, stableRS: old, currentStepIndex: 1, pauseConditions: [{}]}"
	for name, tt := range map[string]struct{ meanwhile, want string }{
		"promoted by hand":      {"status: {currentPodHash: abc, stableRS: old, currentStepIndex: 1}", ""},
		"and at the next pause": {"status: {currentPodHash: abc, stableRS: old, currentStepIndex: 3, pauseConditions: [{}]}", ""},
		"another version": {
			"status: {currentPodHash: new, stableRS: old, currentStepIndex: 1, pauseConditions: [{}]}",
			"it was at abc/1 and is at new/1: testing value failed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			putRollout(t, s, at)
			patchesStatus(s, func() { putRollout(t, s, tt.meanwhile) })
			pauses := field(object(t, tt.meanwhile), "status", "pauseConditions")
			err := steer(t, s, workflow.Promote).Fire(t.Context(), newFiring(t, "1"))
			assert.Equal(t, pauses, field(stored(t, s, rollout), "status", "pauseConditions"), "left alone")
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			assert.True(t, hearken.IsPermanent(err))
		})
	}
}

// A rollout comes to its next step while it is being aborted: it is aborted all
// the same.
func TestAbortAtAnyStep(t *testing.T) {
	s := newFake(t)
	putRollout(t, s, "status: {currentPodHash: abc, stableRS: old, currentStepIndex: 1}")
	patchesStatus(s, func() { putRollout(t, s, "status: {currentPodHash: abc, stableRS: old, currentStepIndex: 2}") })
	require.NoError(t, steer(t, s, workflow.Abort).Fire(t.Context(), newFiring(t, "1")))
	assert.Equal(t, true, field(stored(t, s, rollout), "status", "abort"))
}
