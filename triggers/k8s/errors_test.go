package k8s_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/triggertest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestAnswers(t *testing.T) {
	causes := func(typ, field, message string) []any {
		return []any{"causes", []any{map[string]any{"reason": typ, "field": field, "message": message}}}
	}
	for name, tt := range map[string]struct {
		code            int
		reason, message string
		details         []any
		permanent       bool
		says            string
	}{
		"quota exceeded":         {403, "Forbidden", `configmaps "a" is forbidden: exceeded quota: q, requested: configmaps=1`, nil, false, ""},
		"quota not counted yet":  {403, "Forbidden", `configmaps "a" is forbidden: status unknown for quota: q`, nil, false, ""},
		"namespace terminating":  {403, "Forbidden", "no new content", causes("NamespaceTerminating", "metadata.namespace", "it is being terminated"), false, ""},
		"limits not read":        {403, "Forbidden", `pods "a" is forbidden: unable to CREATE pods at this time because there was an error enforcing limit ranges`, nil, false, ""},
		"server just started":    {403, "Forbidden", `configmaps "a" is forbidden: not yet ready to handle request`, nil, false, ""},
		"namespace just made":    {403, "Forbidden", `pods "a" is forbidden: error looking up service account ci/default: serviceaccount "default" not found`, nil, false, ""},
		"namespace is not there": {404, "NotFound", `namespaces "default" not found`, []any{"name", "default", "kind", "namespaces"}, false, ""},
		"kind is not served":     {404, "NotFound", "the server could not find the requested resource", nil, false, ""},
		"credentials":            {401, "Unauthorized", "Unauthorized", nil, false, ""},
		"webhook fails":          {500, "InternalError", `failed calling webhook "x": connection refused`, nil, false, ""},
		"throttled":              {429, "TooManyRequests", "too many requests", nil, false, ""},
		"server error":           {500, "InternalError", "etcd is away", nil, false, ""},
		"away":                   {503, "ServiceUnavailable", "not now", nil, false, ""},
		"timeout":                {504, "Timeout", "etcd took too long", nil, false, ""},
		"conflict of a quota":    {409, "Conflict", "Operation cannot be fulfilled on resourcequotas", nil, false, ""},

		"forbidden":       {403, "Forbidden", `configmaps is forbidden: User "u" cannot create resource "configmaps"`, nil, true, `User "u" cannot create resource "configmaps"`},
		"no such account": {403, "Forbidden", `pods "a" is forbidden: error looking up service account ci/x: serviceaccount "x" not found`, nil, true, ""},
		"webhook refuses": {403, "Forbidden", `admission webhook "x" denied the request: no`, nil, true, "denied the request: no"},
		"bad request":     {400, "BadRequest", "what is this", nil, true, ""},
		"method":          {405, "MethodNotAllowed", "no", nil, true, ""},
		"not acceptable":  {406, "NotAcceptable", "no", nil, true, ""},
		"too large":       {413, "RequestEntityTooLarge", "limit is 3145728", nil, true, ""},
		"media type":      {415, "UnsupportedMediaType", "no such patch", nil, true, ""},
		"invalid":         {422, "Invalid", "metadata.name: Invalid value", nil, true, ""},
		"mistyped":        {500, "", "failed to create typed patch object (a/a; /v1, Kind=ConfigMap): .dta: field not declared in schema", nil, true, ".dta: field not declared in schema"},
		"object absent":   {404, "NotFound", `configmaps "a" not found`, []any{"name", "a", "kind", "configmaps"}, true, ""},
		"etcd's limit":    {500, "InternalError", "etcdserver: request is too large", nil, true, ""},
		"etcd client's":   {500, "InternalError", "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2097434 vs. 2097152)", nil, true, ""},
		"test of a patch": {
			422, "Invalid", "the server rejected our request", causes("UnexpectedServerResponse", "", "testing value /data/a failed"), true,
			"the server rejected our request: testing value /data/a failed",
		},
		"apply conflict": {
			409, "Conflict", "Apply failed with 1 conflict", causes("FieldManagerConflict", ".data.a", `conflict with "kubectl"`), true,
			`others manage .data.a (conflict with "kubectl"); Force would take it from them`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubefake.New(t, configMaps)
			s.Answer(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet {
					return false
				}
				kubefake.Fail(w, tt.code, tt.reason, tt.message, tt.details...)
				return true
			})
			trigger := &k8s.Trigger{Client: client(t, s), Object: fixed(configMap("a"))}
			err := trigger.Fire(t.Context(), firing(t, "1"))
			require.ErrorContains(t, err, "create ConfigMap default/a: ")
			require.ErrorContains(t, err, tt.says)
			assert.Equal(t, tt.permanent, hearken.IsPermanent(err), "%v", err)
		})
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	err := k8s.Failed(t.Context(), "patch", configMap("a"), apierrors.NewBadRequest(strings.Repeat("ü", 4000)+"end"))
	assert.Less(t, len(err.Error()), 1100)
	assert.Contains(t, err.Error(), "ConfigMap default/a: üü")
	assert.Contains(t, err.Error(), "üü…üü")
	assert.True(t, strings.HasSuffix(err.Error(), "üüend"), err)
	assert.True(t, apierrors.IsBadRequest(err), "what was said is wrapped")
}

func TestSecretsAreNotTold(t *testing.T) {
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "a", field.ErrorList{
		field.Invalid(field.NewPath("data", "password"), "hunter2", "no"),
	})
	err := k8s.Failed(t.Context(), "create", object("v1", "Secret", "default", "a"), invalid)
	require.EqualError(t, err, "create Secret default/a: the API server says Invalid, data.password")
	assert.True(t, hearken.IsPermanent(err))
	assert.True(t, apierrors.IsInvalid(err))
	require.ErrorContains(t, k8s.Failed(t.Context(), "create", configMap("a"), invalid), "hunter2", "another kind")
}

// A server that is busy says for how long, and the engine heeds it.
func TestBusyServerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Time
		p := &hearken.Pipeline{
			Name: "p", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{push.EventSource},
			Sensors: []hearken.Sensor{{Name: "s", Actions: []hearken.Action{{
				When: push, Retry: hearken.Retry{Min: 1, Max: 1},
				Trigger: hearken.TriggerFunc(func(ctx context.Context, _ hearken.Firing) error {
					attempts = append(attempts, time.Now())
					if len(attempts) == 1 {
						return k8s.Failed(ctx, "create", configMap("a"), apierrors.NewTooManyRequests("busy", 7))
					}
					return nil
				}),
			}}}},
		}
		stop := triggertest.Start(t, p)
		e, err := hearken.NewEvent("commit", "1", nil)
		require.NoError(t, err)
		require.NoError(t, p.Emit(t.Context(), push.EventSource, e))
		time.Sleep(time.Minute)
		require.NoError(t, stop())
		require.Len(t, attempts, 2)
		assert.GreaterOrEqual(t, attempts[1].Sub(attempts[0]), 7*time.Second)
	})
}

func TestNothingFailed(t *testing.T) {
	assert.NoError(t, k8s.Failed(t.Context(), "create", configMap("a"), nil))
}

func TestFailedSaysThatItsContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := k8s.Failed(ctx, "create", configMap("a"), errors.New("rate limiter"))
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "create ConfigMap default/a: context canceled: rate limiter")
}

func TestDiscoveryFails(t *testing.T) {
	s := kubefake.New(t, configMaps)
	c := client(t, s)
	s.Answer(func(w http.ResponseWriter, _ *http.Request) bool {
		kubefake.Fail(w, http.StatusUnauthorized, "Unauthorized", "who are you")
		return true
	})
	trigger := &k8s.Trigger{Client: c, Object: fixed(configMap("a"))}
	err := trigger.Fire(t.Context(), firing(t, "1"))
	require.ErrorContains(t, err, "create ConfigMap default/a: look for kind ConfigMap of v1: ")
	assert.False(t, hearken.IsPermanent(err))
	s.Answer(nil)
	require.NoError(t, trigger.Fire(t.Context(), firing(t, "1")), "a question that failed is asked again")
}
