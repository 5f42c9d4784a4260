package k8s_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestResource(t *testing.T) {
	s := kubefake.New(t, configMaps, namespaces, widgets)
	c := client(t, s)
	for _, o := range []*unstructured.Unstructured{
		configMap("a"), object("v1", "Namespace", "", "b"), object("example.com/v1", "Widget", "default", "c"),
	} {
		r, err := c.Resource(t.Context(), o)
		require.NoError(t, err)
		made, err := r.Create(t.Context(), o, metav1.CreateOptions{})
		require.NoError(t, err)
		assert.NotEmpty(t, made.GetUID())
	}
	assert.NotNil(t, s.Object("/api/v1/namespaces/default/configmaps/a"))
	assert.NotNil(t, s.Object("/api/v1/namespaces/b"))
	assert.NotNil(t, s.Object("/apis/example.com/v1/namespaces/default/widgets/c"))
	asked := 0
	for _, r := range s.Requests() {
		if r == "GET /api/v1" || r == "GET /apis/example.com/v1" {
			asked++
		}
	}
	assert.Equal(t, 2, asked, "one question for each group and version")
}

func TestResourceRefused(t *testing.T) {
	c := client(t, kubefake.New(t, configMaps, namespaces))
	for name, tt := range map[string]struct {
		object *unstructured.Unstructured
		says   string
	}{
		"none":                 {nil, "there is no object"},
		"no apiVersion":        {object("", "ConfigMap", "default", "a"), `the object "a" has no apiVersion`},
		"broken apiVersion":    {object("a/b/c", "ConfigMap", "default", "a"), `"a/b/c" is not group/version`},
		"no kind":              {object("v1", "", "default", "a"), `the object "a" of v1 has no kind`},
		"no namespace":         {object("v1", "ConfigMap", "", "a"), "the ConfigMap names no namespace"},
		"a namespace too many": {object("v1", "Namespace", "default", "a"), `a Namespace has no namespace, but this one is given "default"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Resource(t.Context(), tt.object)
			require.ErrorContains(t, err, tt.says)
			assert.True(t, hearken.IsPermanent(err))
		})
	}
}

func TestResourceDefaultNamespace(t *testing.T) {
	s := kubefake.New(t, configMaps)
	c := client(t, s)
	c.Namespace = "apps"
	o := object("v1", "ConfigMap", "", "a")
	r, err := c.Resource(t.Context(), o)
	require.NoError(t, err)
	_, err = r.Create(t.Context(), o, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.NotNil(t, s.Object("/api/v1/namespaces/apps/configmaps/a"))
}

func TestResourceUnconfigured(t *testing.T) {
	_, err := (&k8s.Client{}).Resource(t.Context(), configMap("a"))
	require.ErrorContains(t, err, "Config: is nil; set it, or both Dynamic and Mapper")
	assert.True(t, hearken.IsPermanent(err))
}

// late is a mapper that learns of a kind when it is reset.
type late struct {
	meta.DefaultRESTMapper
	resets int
}

func (l *late) Reset() {
	l.resets++
	l.Add(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}, meta.RESTScopeNamespace)
}

func TestKindInstalledLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mapper := &late{DefaultRESTMapper: *meta.NewDefaultRESTMapper(nil)}
		c := &k8s.Client{Dynamic: fake.NewSimpleDynamicClient(runtime.NewScheme()), Mapper: mapper}
		o := object("example.com/v1", "Widget", "default", "a")
		for range 3 {
			_, err := c.Resource(t.Context(), o)
			require.ErrorContains(t, err, `no matches for kind "Widget" in version "example.com/v1"`)
			assert.False(t, hearken.IsPermanent(err))
			time.Sleep(3 * time.Second)
		}
		assert.Zero(t, mapper.resets, "within 10 seconds")
		time.Sleep(time.Second)
		_, err := c.Resource(t.Context(), o)
		require.NoError(t, err)
		assert.Equal(t, 1, mapper.resets)
	})
}

// A definition may be replaced by one of another scope.
func TestKindServedNoMore(t *testing.T) {
	s := kubefake.New(t, widgets)
	trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(object("example.com/v1", "Widget", "default", "a"))}
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")))
	s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
		kubefake.Fail(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource")
		return true
	})
	for range 2 {
		err := trigger.Fire(t.Context(), firing(t, "2"))
		require.Error(t, err)
		assert.False(t, hearken.IsPermanent(err))
	}
	last := s.Requests()[len(s.Requests())-1]
	assert.True(t, strings.HasPrefix(last, "GET /apis/example.com/v1"), last)
}

// Whatever is asked of a kind, so also by those who use a Client for themselves.
func TestKindServedNoMoreWhateverIsAsked(t *testing.T) {
	for name, ask := range map[string]func(context.Context, dynamic.ResourceInterface, *unstructured.Unstructured) error{
		"create": func(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
			_, err := r.Create(ctx, o, metav1.CreateOptions{})
			return err
		},
		"update": func(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
			_, err := r.Update(ctx, o, metav1.UpdateOptions{})
			return err
		},
		"delete": func(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
			return r.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
		},
		"get": func(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
			_, err := r.Get(ctx, o.GetName(), metav1.GetOptions{})
			return err
		},
		"list": func(ctx context.Context, r dynamic.ResourceInterface, _ *unstructured.Unstructured) error {
			_, err := r.List(ctx, metav1.ListOptions{})
			return err
		},
		"watch": func(ctx context.Context, r dynamic.ResourceInterface, _ *unstructured.Unstructured) error {
			_, err := r.Watch(ctx, metav1.ListOptions{})
			return err
		},
		"patch": func(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
			_, err := r.Patch(ctx, o.GetName(), types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
			return err
		},
		"apply": func(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
			_, err := r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "x"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, widgets)
			c := client(t, s)
			o := object("example.com/v1", "Widget", "default", "a")
			r, err := c.Resource(t.Context(), o)
			require.NoError(t, err)
			s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/apis/example.com/v1" {
					return false
				}
				http.Error(w, "404 page not found", http.StatusNotFound)
				return true
			})
			require.Error(t, ask(t.Context(), r, o))
			_, err = c.Resource(t.Context(), o)
			require.NoError(t, err)
			last := s.Requests()[len(s.Requests())-1]
			assert.True(t, strings.HasPrefix(last, "GET /apis/example.com/v1"), last)
			assert.NotContains(t, last, "widgets", "it is looked for again")
		})
	}
}

// That an object is not there, or not to be had, says nothing of its kind.
func TestKindServedStill(t *testing.T) {
	for _, reason := range []metav1.StatusReason{metav1.StatusReasonNotFound, metav1.StatusReasonForbidden, metav1.StatusReasonConflict} {
		t.Run(string(reason), func(t *testing.T) {
			s := kubefake.New(t, widgets)
			c := client(t, s)
			o := object("example.com/v1", "Widget", "default", "a")
			if reason != metav1.StatusReasonNotFound {
				s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == "/apis/example.com/v1" {
						return false
					}
					kubefake.Fail(w, map[metav1.StatusReason]int{metav1.StatusReasonForbidden: 403, metav1.StatusReasonConflict: 409}[reason], string(reason), "no")
					return true
				})
			}
			for range 3 {
				r, err := c.Resource(t.Context(), o)
				require.NoError(t, err)
				_, err = r.Get(t.Context(), "a", metav1.GetOptions{})
				require.Equal(t, reason, apierrors.ReasonForError(err))
			}
			assert.Len(t, s.Requests(), 4, "the kind is looked for once")
		})
	}
}

// cached is a mapper that remembers what it was told until it is reset, and so
// takes a kind for one of the whole cluster.
type cached struct {
	meta.DefaultRESTMapper
	resets int
	scope  meta.RESTScope // after a reset
}

func (c *cached) Reset() {
	c.resets++
	c.DefaultRESTMapper = *meta.NewDefaultRESTMapper(nil)
	c.Add(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}, c.scope)
}

// A Mapper that remembers is told to forget as well, though not all the time.
func TestKindReplacedBehindAMapper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := fake.NewSimpleDynamicClient(runtime.NewScheme())
		api.PrependReactor("*", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound}}
		})
		mapper := &cached{scope: meta.RESTScopeRoot}
		mapper.Reset()
		mapper.scope = meta.RESTScopeNamespace
		c := &k8s.Client{Dynamic: api, Mapper: mapper}
		o := object("example.com/v1", "Widget", "", "a")
		c.Namespace = "default"
		for range 5 {
			r, err := c.Resource(t.Context(), o)
			require.NoError(t, err)
			_, err = r.Get(t.Context(), "a", metav1.GetOptions{})
			require.Error(t, err)
		}
		assert.Equal(t, 2, mapper.resets)
		o.SetNamespace("default")
		_, err := c.Resource(t.Context(), o)
		require.NoError(t, err, "it has a namespace now")
		time.Sleep(10 * time.Second)
		r, err := c.Resource(t.Context(), o)
		require.NoError(t, err)
		_, err = r.Get(t.Context(), "a", metav1.GetOptions{})
		require.Error(t, err)
		_, err = c.Resource(t.Context(), o)
		require.NoError(t, err)
		assert.Equal(t, 3, mapper.resets)
	})
}

func TestKindByServer(t *testing.T) {
	s := kubefake.New(t, configMaps)
	c := client(t, s)
	o := object("example.com/v1", "Widget", "default", "a")
	for range 3 {
		_, err := c.Resource(t.Context(), o)
		require.ErrorContains(t, err, `no matches for kind "Widget"`)
		assert.False(t, hearken.IsPermanent(err))
	}
	assert.Len(t, s.Requests(), 1, "it is not asked again at once")
	assert.True(t, strings.HasPrefix(s.Requests()[0], "GET /apis/example.com/v1"), s.Requests())
}
