package workflow_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"github.com/hearken-go/hearken/triggers/workflow"
)

func TestConformance(t *testing.T) {
	message := params.Data(push, "message")
	// A target of each firing's own.
	name := params.Concat(params.Data(push, "message"), "-", params.Func(func(f hearken.Firing) (any, error) { return f.ID, nil }))
	for kind, tt := range map[string]struct {
		trigger func(c *k8s.Client) hearken.Trigger
		broken  map[string]hearken.Trigger
	}{
		"Submit": {
			func(c *k8s.Client) hearken.Trigger {
				return &workflow.Submit{Client: c, Manifest: fixed(manifest), Arguments: params.Object{"message": message}}
			},
			map[string]hearken.Trigger{
				"Wait":   &workflow.Submit{Client: &k8s.Client{Config: &rest.Config{}, Namespace: "argo"}, CronWorkflow: "x", Wait: -1},
				"Client": &workflow.Submit{CronWorkflow: "x"},
			},
		},
		"Control": {
			func(c *k8s.Client) hearken.Trigger {
				return &workflow.Control{Client: c, Operation: workflow.Stop, Name: name}
			},
			map[string]hearken.Trigger{"Client": &workflow.Control{Operation: workflow.Stop, Name: name}},
		},
		"Rollout": {
			func(c *k8s.Client) hearken.Trigger {
				return &workflow.Rollout{Client: c, Operation: workflow.Abort, Name: name}
			},
			map[string]hearken.Trigger{"Client": &workflow.Rollout{Operation: workflow.Abort, Name: name}},
		},
	} {
		t.Run(kind, func(t *testing.T) {
			triggertest.Run(t, triggertest.Harness{
				New:    func(tb testing.TB) triggertest.Target { return newTarget(tb, tt.trigger) },
				Needs:  push,
				Broken: tt.broken,
			})
		})
	}
}

// newTarget is an API that has each Workflow and Rollout it is asked for.
func newTarget(tb testing.TB, trigger func(c *k8s.Client) hearken.Trigger) triggertest.Target {
	tb.Helper()
	s := newFake(tb)
	c := clientOf(tb, s.URL)
	var refuses, hangs atomic.Bool
	reached := make(chan struct{}, 1)
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case hangs.Load():
			select {
			case reached <- struct{}{}:
			default:
			}
			select {
			case <-s.Ended():
			case <-r.Context().Done():
			}
			return true
		case refuses.Load():
			kubefake.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not now")
			return true
		case r.Method == http.MethodGet && s.Object(r.URL.Path) == nil:
			s.Put(r.URL.Path, targetAt(tb, r.URL.Path))
		}
		return false
	})
	return triggertest.Target{
		Trigger: trigger(c),
		Keys:    func() []string { return firingsOf(s) },
		Refuse: func() func() {
			refuses.Store(true)
			return func() { refuses.Store(false) }
		},
		Hang: func() <-chan struct{} {
			hangs.Store(true)
			return reached
		},
		Away:  s.Close,
		Close: c.Config.Transport.(*http.Transport).CloseIdleConnections,
	}
}

// targetAt returns what to act on, or nil where the path is of no such thing.
func targetAt(tb testing.TB, path string) kubefake.Object {
	tb.Helper()
	dir, name := filepath.Split(path)
	kind := map[string]string{workflows: "Workflow", inArgo + "rollouts/": "Rollout"}[dir]
	if kind == "" {
		return nil
	}
	return object(tb, "apiVersion: argoproj.io/v1alpha1\nkind: "+kind+"\nmetadata: {name: "+name+", namespace: argo}\n"+
		"status: {abort: true, currentPodHash: a, stableRS: b}").Object
}

// firingsOf returns the firings that made an object or acted on one.
func firingsOf(s *kubefake.Server) []string {
	var all []string
	for _, o := range s.Objects() {
		annotations := (&unstructured.Unstructured{Object: o}).GetAnnotations()
		if id := annotations[k8s.FiringAnnotation]; id != "" {
			all = append(all, id)
		}
		all = append(all, strings.Fields(annotations[acts])...)
	}
	return all
}
