package k8s_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

func TestConformance(t *testing.T) {
	greeted := func() hearken.Payload {
		return &k8s.Manifest{Text: template, Params: []params.Param{{Dest: "data.message", Value: params.Data(push, "message")}}}
	}
	named := func() hearken.Payload {
		return &k8s.Manifest{
			Text:   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}",
			Params: []params.Param{{Dest: "data.message", Value: params.Data(push, "message")}},
		}
	}
	change := func(f hearken.Firing, o *unstructured.Unstructured) error {
		return unstructured.SetNestedField(o.Object, f.ID, "data", "last")
	}
	for name, trigger := range map[string]func(c *k8s.Client) *k8s.Trigger{
		"create": func(c *k8s.Client) *k8s.Trigger { return &k8s.Trigger{Client: c, Object: greeted()} },
		"merge": func(c *k8s.Client) *k8s.Trigger {
			return &k8s.Trigger{Client: c, Object: greeted(), Operation: k8s.Merge}
		},
		"update": func(c *k8s.Client) *k8s.Trigger {
			return &k8s.Trigger{Client: c, Object: named(), Operation: k8s.Update, Change: change}
		},
	} {
		t.Run(name, func(t *testing.T) {
			triggertest.Run(t, triggertest.Harness{
				New:   func(tb testing.TB) triggertest.Target { return target(tb, trigger) },
				Needs: push,
				Broken: map[string]hearken.Trigger{
					"Client": &k8s.Trigger{Object: greeted()},
					"Change": &k8s.Trigger{Client: &k8s.Client{Config: &rest.Config{}}, Object: named(), Operation: k8s.Update},
				},
			})
		})
	}
}

// target is a trigger and an API with one object.
func target(tb testing.TB, trigger func(*k8s.Client) *k8s.Trigger) triggertest.Target {
	s := kubefake.New(tb, configMaps)
	s.Put(pathA, configMap("a").Object)
	var refuses, hangs atomic.Bool
	reached := make(chan struct{}, 1)
	keys := &keys{}
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
		case refuses.Load():
			kubefake.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not now")
		default:
			keys.note(r)
			return false
		}
		return true
	})
	c := client(tb, s)
	return triggertest.Target{
		Trigger: trigger(c),
		Keys:    keys.all,
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

// keys are the firings that the objects sent bear.
type keys struct {
	mu  sync.Mutex
	ids []string
}

func (k *keys) note(r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(text)))
	o := &unstructured.Unstructured{}
	if json.Unmarshal(text, &o.Object) != nil {
		return
	}
	id := o.GetAnnotations()[k8s.FiringAnnotation]
	if r.Method == http.MethodPut {
		id = o.GetAnnotations()[k8s.ChangeAnnotation]
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ids = append(k.ids, id)
}

func (k *keys) all() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.ids...)
}
