package k8s_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
)

func withPhase(phase string) map[string]any {
	o := configMap("a").Object
	o["status"] = map[string]any{"phase": phase}
	return o
}

// phase is done at Succeeded and fails at Failed.
func phase(o *unstructured.Unstructured) (bool, error) {
	switch p, _, _ := unstructured.NestedString(o.Object, "status", "phase"); p {
	case "Succeeded":
		return true, nil
	case "Failed":
		return false, hearken.Permanent(errors.New("it failed"))
	}
	return false, nil
}

// waiting starts a wait for the ConfigMap a, and returns once it watches.
func waiting(t *testing.T, s *kubefake.Server) (end func() (*unstructured.Unstructured, error)) {
	t.Helper()
	type outcome struct {
		o   *unstructured.Unstructured
		err error
	}
	c := client(t, s)
	ended := make(chan outcome, 1)
	go func() {
		o, err := c.Wait(t.Context(), configMap("a"), phase)
		ended <- outcome{o, err}
	}()
	watches(t, s)
	return func() (*unstructured.Unstructured, error) {
		select {
		case o := <-ended:
			return o.o, o.err
		case <-time.After(patience):
			t.Fatal("Wait does not return")
			return nil, nil
		}
	}
}

func watches(t *testing.T, s *kubefake.Server) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Watches() == 1 }, patience, time.Millisecond)
}

func TestWait(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, withPhase("Pending"))
	end := waiting(t, s)
	s.Put("/api/v1/namespaces/default/configmaps/b", withPhase("Succeeded"))
	s.Put(pathA, withPhase("Running"))
	s.Put(pathA, withPhase("Succeeded"))
	o, err := end()
	require.NoError(t, err)
	assert.Equal(t, "Succeeded", o.Object["status"].(map[string]any)["phase"])
}

func TestWaitDoneAlready(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, withPhase("Succeeded"))
	_, err := client(t, s).Wait(t.Context(), configMap("a"), phase)
	require.NoError(t, err)
	assert.Len(t, s.Requests(), 2, "the kind and the object: %v", s.Requests())
}

func TestWaitFailed(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, withPhase("Pending"))
	end := waiting(t, s)
	s.Put(pathA, withPhase("Failed"))
	_, err := end()
	require.EqualError(t, err, "wait for ConfigMap default/a: it failed")
	assert.True(t, hearken.IsPermanent(err))
}

func TestWaitOverEndsOfTheWatch(t *testing.T) {
	for name, code := range map[string]int{"closed": 0, "gone": http.StatusGone} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			s.Put(pathA, withPhase("Pending"))
			end := waiting(t, s)
			s.CloseWatches(code)
			watches(t, s)
			s.Put(pathA, withPhase("Succeeded"))
			_, err := end()
			require.NoError(t, err)
		})
	}
}

func TestWaitOverAServerThatDoesNotServe(t *testing.T) {
	for name, refuse := range map[string]func(http.ResponseWriter){
		"it is away": func(w http.ResponseWriter) {
			kubefake.Fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "not now")
		},
		"not of the kind": func(w http.ResponseWriter) { http.Error(w, "404 page not found", http.StatusNotFound) },
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			s.Put(pathA, withPhase("Pending"))
			end := waiting(t, s)
			refused := make(chan struct{}, 100)
			s.Answer(func(w http.ResponseWriter, _ *http.Request) bool {
				refuse(w)
				refused <- struct{}{}
				return true
			})
			s.CloseWatches(0)
			<-refused
			s.Answer(nil)
			s.Put(pathA, withPhase("Succeeded"))
			_, err := end()
			require.NoError(t, err)
		})
	}
}

func TestWaitForTheDeleted(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, withPhase("Pending"))
	end := waiting(t, s)
	s.Put(pathA, nil)
	_, err := end()
	require.ErrorContains(t, err, "wait for ConfigMap default/a: it was deleted")
	assert.True(t, hearken.IsPermanent(err))
}

func TestWaitForAnother(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, withPhase("Succeeded"))
	o := configMap("a")
	o.SetUID("another")
	_, err := client(t, s).Wait(t.Context(), o, phase)
	require.ErrorContains(t, err, "was deleted")
	assert.True(t, hearken.IsPermanent(err))
}

func TestWaitEndsWithItsContext(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, withPhase("Pending"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := client(t, s).Wait(ctx, configMap("a"), phase)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.False(t, hearken.IsPermanent(err))
}

// A connection may end without telling: what came meanwhile is found by a look.
func TestWaitOverAWatchThatSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := configMap("a")
		o.Object["status"] = map[string]any{"phase": "Pending"}
		api := fake.NewSimpleDynamicClient(runtime.NewScheme(), o)
		api.PrependWatchReactor("*", func(clienttesting.Action) (bool, watch.Interface, error) {
			return true, watch.NewFake(), nil
		})
		mapper := meta.NewDefaultRESTMapper(nil)
		mapper.Add(o.GroupVersionKind(), meta.RESTScopeNamespace)
		c := &k8s.Client{Dynamic: api, Mapper: mapper}
		go func() {
			time.Sleep(time.Second)
			_, err := api.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace("default").
				Update(t.Context(), &unstructured.Unstructured{Object: withPhase("Succeeded")}, metav1.UpdateOptions{})
			assert.NoError(t, err)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		_, err := c.Wait(ctx, configMap("a"), phase)
		require.NoError(t, err)
	})
}
