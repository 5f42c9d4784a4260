//go:build kubernetes

package k8s_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestServerQuota(t *testing.T) {
	t.Parallel()
	c := admin(t)
	quota := put(t, c, parse(t, `{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {count/secrets: "1"}}}`))
	trigger := &k8s.Trigger{Client: c, Object: &k8s.Manifest{Text: "{apiVersion: v1, kind: Secret, metadata: {generateName: a-}}"}}
	fired := 0
	says := func(s string) func() bool { // the API server takes a moment to heed a quota
		return func() bool {
			fired++
			err := trigger.Fire(t.Context(), firing(t, fmt.Sprint("early ", fired)))
			return err != nil && strings.Contains(err.Error(), s)
		}
	}
	// What the controller of quotas does, step by step.
	hard := map[string]any{"count/secrets": "1"}
	setStatus(t, c, quota, map[string]any{"hard": hard})
	require.Eventually(t, says("status unknown for quota"), patience, 100*time.Millisecond)
	fails(t, trigger, firing(t, "1"), false, "create Secret "+c.Namespace+"/a-", "status unknown for quota")

	setStatus(t, c, quota, map[string]any{"hard": hard, "used": map[string]any{"count/secrets": "1"}})
	require.Eventually(t, says("exceeded quota"), patience, 100*time.Millisecond)
	fails(t, trigger, firing(t, "1"), false, "exceeded quota: q, requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1")

	setStatus(t, c, quota, map[string]any{"hard": hard, "used": map[string]any{"count/secrets": "0"}})
	require.Eventually(t, func() bool { return trigger.Fire(t.Context(), firing(t, "1")) == nil }, patience, 100*time.Millisecond)
}

func TestServerNamespaces(t *testing.T) {
	t.Parallel()
	c := admin(t)
	trigger := &k8s.Trigger{Client: c, Object: fixed(object("v1", "ConfigMap", c.Namespace+"-later", "a"))}
	fails(t, trigger, firing(t, "1"), false, "create ConfigMap "+c.Namespace+"-later/a: ", `namespaces "`+c.Namespace+`-later" not found`)
	put(t, c, object("v1", "Namespace", "", c.Namespace+"-later"))
	fires(t, trigger, firing(t, "1"))

	// No controller ends it here: it stays Terminating.
	fires(t, &k8s.Trigger{Client: c, Object: fixed(object("v1", "Namespace", "", c.Namespace)), Operation: k8s.Delete}, firing(t, "1"))
	for _, op := range []k8s.Operation{k8s.Create, k8s.Merge, k8s.Apply} {
		fails(t, &k8s.Trigger{Client: c, Object: fixed(bare("v1", "ConfigMap", "a")), Operation: op}, firing(t, "1"),
			false, op.String(), "ConfigMap "+c.Namespace+"/a: ", "because it is being terminated")
	}
}

func TestServerRights(t *testing.T) {
	t.Parallel()
	c := admin(t)
	put(t, c, bare("v1", "ConfigMap", "there"))
	visitor := &k8s.Client{Config: as(t, "visitor"), Namespace: c.Namespace}
	for op, verb := range map[k8s.Operation]string{k8s.Create: "create", k8s.MergePatch: "patch", k8s.Apply: "patch", k8s.Delete: "delete", k8s.Merge: "get"} {
		fails(t, &k8s.Trigger{Client: visitor, Object: fixed(bare("v1", "ConfigMap", "there")), Operation: op}, firing(t, "1"), true,
			op.String()+" ConfigMap "+c.Namespace+"/there: ", `User "visitor" cannot `+verb+` resource "configmaps"`, c.Namespace)
	}
	stranger := &k8s.Client{Config: as(t, "stranger"), Namespace: c.Namespace}
	fails(t, &k8s.Trigger{Client: stranger, Object: fixed(bare("v1", "ConfigMap", "there"))}, firing(t, "1"), false, "Unauthorized")

	// Who may create but not watch is told so.
	put(t, c, parse(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: maker}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [create, get]}]`))
	put(t, c, parse(t, `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: maker}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: maker}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: reader}]`))
	maker := &k8s.Client{Config: as(t, "reader"), Namespace: c.Namespace}
	// The API server takes a moment to heed a role.
	require.Eventually(t, func() bool {
		r, err := maker.Resource(t.Context(), bare("v1", "ConfigMap", ""))
		if err != nil {
			return false
		}
		_, err = r.Get(t.Context(), "made", metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	}, patience, 50*time.Millisecond)
	trigger := &k8s.Trigger{
		Client: maker, Object: fixed(bare("v1", "ConfigMap", "made")),
		Wait: k8s.Policy{Until: []k8s.Condition{{Path: "data.done"}}, For: time.Minute},
	}
	fails(t, trigger, firing(t, "1"), true, "wait for ConfigMap "+c.Namespace+"/made: ", "the right to watch it is missing")
	require.NotNil(t, get(t, c, bare("v1", "ConfigMap", "made")))
}

func TestServerInvalid(t *testing.T) {
	t.Parallel()
	c := admin(t)
	named := &k8s.Trigger{Client: c, Object: &k8s.Manifest{
		Text:   "{apiVersion: v1, kind: ConfigMap, metadata: {}}",
		Params: []params.Param{{Dest: "metadata.name", Value: params.Concat("Not a name of ", params.Data(push, "name"))}},
	}}
	fails(t, named, firing(t, "1"), true, "create ConfigMap "+c.Namespace+"/Not a name of web: ", "metadata.name: Invalid value")
	fails(t, &k8s.Trigger{Client: c, Object: fixed(parse(t, `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {}}`))}, firing(t, "1"), true, "spec.containers: Required value")
	fails(t, &k8s.Trigger{Client: c, Object: fixed(parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: p}, data: {a: 1}}`))}, firing(t, "1"), true, "create ConfigMap "+c.Namespace+"/p: ")

	for size, says := range map[int]string{1 << 20: "Too long", 2_000_000: "Too long", 4 << 20: "ConfigMap"} {
		big := bare("v1", "ConfigMap", "big")
		big.Object["data"] = map[string]any{"a": strings.Repeat("x", size+1000)}
		fails(t, &k8s.Trigger{Client: c, Object: fixed(big)}, firing(t, "1"), true, "create ConfigMap "+c.Namespace+"/big: ", says)
	}
}

// TestServerUnknownFields asks each operation to write a field that there is not.
func TestServerUnknownFields(t *testing.T) {
	t.Parallel()
	c := admin(t)
	put(t, c, parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}`))
	o := parse(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dta: {a: "1"}}`)
	add := hearken.PayloadFunc(func(hearken.Firing) ([]byte, error) {
		return []byte(`[{"op": "add", "path": "/dta", "value": {}}]`), nil
	})
	for _, trigger := range []*k8s.Trigger{
		{Operation: k8s.Create},
		{Operation: k8s.CreateIfAbsent},
		{Operation: k8s.Update, Change: func(_ hearken.Firing, u *unstructured.Unstructured) error {
			u.Object["dta"] = map[string]any{}
			return nil
		}},
		{Operation: k8s.Merge},
		{Operation: k8s.MergePatch},
		{Operation: k8s.StrategicMergePatch},
		{Operation: k8s.JSONPatch, Patch: add},
	} {
		trigger.Client, trigger.Object = c, fixed(o)
		fails(t, trigger, firing(t, "1"), true, trigger.Operation.String()+" ConfigMap "+c.Namespace+"/a: ", `unknown field "dta"`)
	}
	fails(t, &k8s.Trigger{Client: c, Object: fixed(o), Operation: k8s.Apply}, firing(t, "1"), true, ".dta: field not declared")
	absent := o.DeepCopy()
	absent.SetName("b")
	fails(t, &k8s.Trigger{Client: c, Object: fixed(absent), Operation: k8s.Merge}, firing(t, "1"), true, `unknown field "dta"`)
	fires(t, &k8s.Trigger{Client: c, Object: fixed(absent), FieldValidation: metav1.FieldValidationWarn}, firing(t, "1"))
	assert.NotContains(t, get(t, c, absent).Object, "dta")
}

func TestServerUnknownFieldsOfSecrets(t *testing.T) {
	t.Parallel()
	c := admin(t)
	put(t, c, parse(t, `{apiVersion: v1, kind: Secret, metadata: {name: a}}`))
	secret := parse(t, `{apiVersion: v1, kind: Secret, metadata: {name: a}, stringDat: {key: secret1}, stringData: {key: secret2}}`)
	for operation, says := range map[k8s.Operation]string{
		k8s.Create:              `unknown field "stringDat"`,
		k8s.MergePatch:          `unknown field "stringDat"`,
		k8s.StrategicMergePatch: `unknown field "stringDat"`,
		k8s.Apply:               ".stringDat: field not declared in schema",
	} {
		trigger := &k8s.Trigger{Client: c, Object: fixed(secret), Operation: operation}
		err := trigger.Fire(t.Context(), firing(t, "1"))
		require.ErrorContains(t, err, says)
		assert.True(t, hearken.IsPermanent(err))
		assert.NotContains(t, err.Error(), "secret1")
		assert.NotContains(t, err.Error(), "secret2")
	}
	secret.Object["data"] = map[string]any{"key": 4711}
	err := (&k8s.Trigger{Client: c, Object: fixed(secret), Operation: k8s.Apply}).Fire(t.Context(), firing(t, "1"))
	require.Error(t, err)
	assert.True(t, hearken.IsPermanent(err))
	assert.NotContains(t, err.Error(), "4711")
}

// A definition as controller-gen makes it says of the metadata in a template that it
// is an object.
func TestServerTypedObjects(t *testing.T) {
	t.Parallel()
	c := admin(t)
	group := c.Namespace + ".example.com"
	const template = "{type: object, properties: {metadata: {type: object}}}"
	defineWidgets(t, c, group, "Namespaced", "{type: object, properties: {spec: {type: object, properties: {template: "+template+
		", claims: {type: array, items: "+template+"}}}}}")
	o := templated(group+"/v1", "Widget")
	become := func(_ hearken.Firing, there *unstructured.Unstructured) error {
		there.Object["spec"] = o.Object["spec"]
		return nil
	}
	for _, trigger := range []*k8s.Trigger{{}, {Operation: k8s.Update, Change: become}, {Operation: k8s.Merge}, {Operation: k8s.MergePatch}, {Operation: k8s.Apply}} {
		trigger.Client, trigger.Object = c, fixed(o)
		fires(t, trigger, firing(t, trigger.Operation.String()))
	}
}

// A custom resource has no limit of its own, so that it is the store that turns
// it down.
func TestServerTooLarge(t *testing.T) {
	t.Parallel()
	c := admin(t)
	group := installWidgets(t, c)
	for _, size := range []int{1_600_000, 2 << 20, 2_200_000, 4 << 20} {
		o := bare(group+"/v1", "Widget", "big")
		o.Object["spec"] = map[string]any{"a": strings.Repeat("x", size)}
		fails(t, &k8s.Trigger{Client: c, Object: fixed(o)}, firing(t, "1"), true, "create Widget "+c.Namespace+"/big: ", "large")
	}
}

func TestServerKinds(t *testing.T) {
	t.Parallel()
	c := admin(t)
	o := bare(c.Namespace+".example.com/v1", "Widget", "w")
	trigger := &k8s.Trigger{Client: c, Object: fixed(o)}
	for range 2 {
		fails(t, trigger, firing(t, "1"), false, "create Widget w: the API server has no such kind, or not yet", `no matches for kind "Widget"`)
	}
	installWidgets(t, c)
	require.Eventually(t, func() bool { return trigger.Fire(t.Context(), firing(t, "1")) == nil }, patience, 200*time.Millisecond,
		"a definition that is installed later is found")
	fires(t, trigger, firing(t, "1"))
	fails(t, &k8s.Trigger{Client: c, Object: fixed(bare("v1", "Configmap", "a"))}, firing(t, "1"), false, `no matches for kind "Configmap" in version "v1"`)
}

func TestServerWebhooks(t *testing.T) {
	t.Parallel()
	c := admin(t)
	refuses := webhook(t, func(uid string) map[string]any {
		return map[string]any{"uid": uid, "allowed": false, "status": map[string]any{"code": 403, "message": "not on a Friday"}}
	})
	away := httptest.NewUnstartedServer(nil)
	away.Start()
	away.Close()
	for name, url := range map[string]string{"refuses": refuses.URL, "away": strings.Replace(away.URL, "http:", "https:", 1)} {
		ca := ""
		if name == "refuses" {
			ca = base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: refuses.Certificate().Raw}))
		}
		put(t, c, parse(t, `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: `+c.Namespace+name+`}
webhooks:
- name: `+name+`.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 30
  clientConfig: {url: "`+url+`", caBundle: "`+ca+`"}
  objectSelector: {matchLabels: {webhook: `+c.Namespace+name+`}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
`))
	}
	labelled := func(webhook string) *k8s.Trigger {
		o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
		o.SetGenerateName("a-")
		o.SetLabels(map[string]string{"webhook": c.Namespace + webhook})
		return &k8s.Trigger{Client: c, Object: fixed(o)}
	}
	for name, says := range map[string]string{"refuses": "not on a Friday", "away": "failed calling webhook"} {
		// The API server takes a moment to heed a webhook.
		require.Eventually(t, func() bool {
			err := labelled(name).Fire(t.Context(), firing(t, time.Now().String()))
			return err != nil && strings.Contains(err.Error(), says)
		}, patience, 100*time.Millisecond)
	}
	fails(t, labelled("refuses"), firing(t, "last"), true, "denied the request: not on a Friday")
	fails(t, labelled("away"), firing(t, "last"), false, `failed calling webhook "away.example.com"`)
}

// webhook is a server of admission reviews.
func webhook(tb testing.TB, answer func(uid string) map[string]any) *httptest.Server {
	tb.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct{ Request struct{ UID string } }
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer(review.Request.UID),
		}); err != nil {
			tb.Error(err)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	tb.Cleanup(s.Close)
	return s
}
