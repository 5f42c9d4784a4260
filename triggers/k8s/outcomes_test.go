package k8s_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestDeleteSendsItsOptions(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, configMap("a").Object)
	var body atomic.Value
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		text, err := io.ReadAll(r.Body)
		if !assert.NoError(t, err) {
			return false
		}
		body.Store(string(text))
		kubefake.Fail(w, http.StatusConflict, "Conflict", "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (2)")
		return true
	})
	o := configMap("a")
	o.SetResourceVersion("1")
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(o), Operation: k8s.Delete, Propagation: metav1.DeletePropagationForeground}
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.ErrorContains(t, err, "delete ConfigMap default/a: ")
	assert.True(t, hearken.IsPermanent(err), "it will not come back to that version")
	var sent metav1.DeleteOptions
	require.NoError(t, json.Unmarshal([]byte(body.Load().(string)), &sent))
	assert.Equal(t, metav1.DeletePropagationForeground, *sent.PropagationPolicy)
	assert.Equal(t, "1", *sent.Preconditions.ResourceVersion)

	trigger.Object = fixed(configMap("a"))
	err = trigger.Fire(t.Context(), firing(t, "1"))
	assert.False(t, hearken.IsPermanent(err), "without a guard a conflict passes")
}

// Somebody may write between the read and the write of a guarded update.
func TestGuardedUpdateIsNotRepeated(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, counter())
	version := (&unstructured.Unstructured{Object: s.Object(pathA)}).GetResourceVersion()
	o := configMap("a")
	o.SetResourceVersion(version)
	calls := 0
	trigger := &k8s.Trigger{
		Client: client(t, s), Object: fixed(o), Operation: k8s.Update,
		Change: func(f hearken.Firing, o *unstructured.Unstructured) error {
			calls++
			s.Put(pathA, counter())
			return count(f, o)
		},
	}
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.ErrorContains(t, err, "the object has been modified")
	assert.True(t, hearken.IsPermanent(err))
	assert.Equal(t, 1, calls)
}

func TestChangesThatMakeAnother(t *testing.T) {
	other := ownerIn("default", "u")
	for says, change := range map[string]func(o *unstructured.Unstructured){
		"the change made it another object, ConfigMap elsewhere/a": func(o *unstructured.Unstructured) { o.SetNamespace("elsewhere") },
		"the change made it another object, Secret default/a":      func(o *unstructured.Unstructured) { o.SetKind("Secret") },
		"the change made it another object, an object":             func(o *unstructured.Unstructured) { o.Object = nil },
		"owner Widget default/w: it is not there":                  func(o *unstructured.Unstructured) { assert.NoError(t, k8s.Own(o, other, true)) },
	} {
		s := kubefake.New(t, configMaps, widgets)
		s.Put(pathA, configMap("a").Object)
		before := s.Object(pathA)
		trigger := &k8s.Trigger{
			Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Update,
			Change: func(_ hearken.Firing, o *unstructured.Unstructured) error { change(o); return nil },
		}
		err := trigger.Fire(t.Context(), firing(t, "1"))
		require.ErrorContains(t, err, says)
		assert.True(t, hearken.IsPermanent(err))
		assert.Equal(t, before, s.Object(pathA))
	}
}

// A change of a subresource is told apart by no annotation.
func TestUpdateOfASubresourceIsRepeated(t *testing.T) {
	s := kubefake.New(t, configMaps)
	there := configMap("a")
	there.SetAnnotations(map[string]string{k8s.ChangeAnnotation: firing(t, "1").ID})
	s.Put(pathA, there.Object)
	calls := 0
	trigger := &k8s.Trigger{
		Client: client(t, s), Object: fixed(configMap("a")), Operation: k8s.Update, Subresource: "status",
		Change: func(hearken.Firing, *unstructured.Unstructured) error { calls++; return nil },
	}
	s.Answer(func(_ http.ResponseWriter, r *http.Request) bool {
		r.URL.Path = strings.TrimSuffix(r.URL.Path, "/status")
		return false
	})
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	assert.Equal(t, 1, calls)
}

// What was in the way may be gone by the time it is looked at.
func TestCreateOnceAfterAnotherIsGone(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, configMap("a").Object)
	s.Answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && r.URL.Path == pathA {
			s.Put(pathA, nil)
		}
		return false
	})
	c := client(t, s)
	o := configMap("a")
	k8s.Mark(o, firing(t, "1"))
	_, err := c.CreateOnce(t.Context(), o)
	require.EqualError(t, err, "create ConfigMap default/a: one of this name was there and is gone; it can be created now")
	assert.False(t, hearken.IsPermanent(err))
	_, err = c.CreateOnce(t.Context(), o)
	require.NoError(t, err)
}

// A server may send what was not asked for: bookmarks, and, where it takes no
// field selector, other objects.
func TestWaitHearsOnlyOfItsObject(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, withPhase("Pending"))
	there := &unstructured.Unstructured{Object: s.Object(pathA)}
	done := &unstructured.Unstructured{Object: withPhase("Succeeded")}
	done.SetUID(there.GetUID())
	var watched atomic.Value
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !r.URL.Query().Has("watch") {
			return false
		}
		watched.Store(r.URL.Query().Get("resourceVersion"))
		w.Header().Set("Content-Type", "application/json")
		other := configMap("b").Object
		other["status"] = map[string]any{"phase": "Failed"}
		for _, e := range []map[string]any{
			{"type": "BOOKMARK", "object": map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"resourceVersion": "900"}}},
			{"type": "MODIFIED", "object": other},
			{"type": "DELETED", "object": other},
			{"type": "MODIFIED", "object": done.Object},
		} {
			assert.NoError(t, json.NewEncoder(w).Encode(e))
		}
		return true
	})
	_, err := client(t, s).Wait(t.Context(), configMap("a"), phase)
	require.NoError(t, err)
	assert.Equal(t, there.GetResourceVersion(), watched.Load(), "from the version that was read: nothing is missed between")
}

// Deleted and made anew while nobody looked, it is another.
func TestWaitForOneThatWasReplaced(t *testing.T) {
	s := kubefake.New(t, configMaps)
	s.Put(pathA, withPhase("Pending"))
	end := waiting(t, s)
	s.Answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && r.URL.Path == pathA {
			s.Put(pathA, nil)
			s.Put(pathA, withPhase("Succeeded"))
		}
		return false
	})
	s.CloseWatches(0)
	_, err := end()
	require.ErrorContains(t, err, "wait for ConfigMap default/a: it was deleted")
	assert.True(t, hearken.IsPermanent(err))
}

// The object that was made is waited for, not one that took its name since.
func TestPolicyWaitsForWhatItMade(t *testing.T) {
	s := kubefake.New(t, configMaps)
	trigger := waitingTrigger(t, s)
	s.Answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/api/v1/namespaces/") {
			for path := range s.Objects() {
				s.Put(path, nil)
				s.Put(path, withPhase("Succeeded"))
			}
		}
		return false
	})
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.ErrorContains(t, err, "it was deleted")
	assert.True(t, hearken.IsPermanent(err))
}

func TestMoreAnswers(t *testing.T) {
	timeout := &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusRequestTimeout, Reason: metav1.StatusReasonTimeout, Message: "slow"}}
	assert.False(t, hearken.IsPermanent(k8s.Failed(t.Context(), "patch", configMap("a"), timeout)))
	leader := apierrors.NewInternalError(io.ErrUnexpectedEOF)
	leader.ErrStatus.Message = "etcdserver: leader changed"
	assert.False(t, hearken.IsPermanent(k8s.Failed(t.Context(), "patch", configMap("a"), leader)))
	unknown := &apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "unknown"}}
	err := k8s.Failed(t.Context(), "get", configMap("a"), unknown)
	require.EqualError(t, err, "get ConfigMap default/a: the API server says Forbidden")
}

func TestPatchesByVersion(t *testing.T) {
	guarded := configMap("a")
	guarded.SetResourceVersion("7")
	s := kubefake.New(t, configMaps)
	got := sent(s)
	trigger := &k8s.Trigger{
		Client: client(t, s), Object: fixed(guarded), Operation: k8s.MergePatch,
		Patch: hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) { return []byte(`{"data":{}}`), nil }),
	}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	_, body := got()
	assert.JSONEq(t, `{"data":{},"metadata":{"resourceVersion":"7"}}`, body)
}

// The server takes no managedFields from whoever applies.
func TestApplyOfWhatWasRead(t *testing.T) {
	read := configMap("a")
	read.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "kubectl"}})
	s := kubefake.New(t, configMaps)
	got := sent(s)
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(read), Operation: k8s.Apply}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	_, body := got()
	assert.NotContains(t, body, "managedFields")
}

func TestOwnBlocksItsOwnersDeletion(t *testing.T) {
	o := configMap("a")
	require.NoError(t, k8s.Own(o, ownerIn("default", "u"), true))
	assert.True(t, *o.GetOwnerReferences()[0].BlockOwnerDeletion)
}

func TestManifestOfAMetadataFromAnEvent(t *testing.T) {
	m := &k8s.Manifest{Text: "apiVersion: v1\nkind: ConfigMap", Params: []params.Param{{Dest: "metadata", Value: params.Data(push, "metadata")}}}
	assert.NoError(t, m.Validate())
}
