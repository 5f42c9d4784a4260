package workflow_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/workflow"
)

func TestValidate(t *testing.T) {
	c := &k8s.Client{Config: &rest.Config{}, Namespace: "argo"}
	server := &workflow.Server{URL: "https://argo-server:2746"}
	name := params.Const("x")
	for title, tt := range map[string]struct {
		part hearken.Validator
		want []string // each mistake, whole
	}{
		"empty Submit": {&workflow.Submit{}, []string{
			"Client: is nil; give a *k8s.Client, which several triggers can share",
			"Manifest: is nil; set it, WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow",
		}},
		"full Submit": {&workflow.Submit{
			Client:           &k8s.Client{},
			Manifest:         &params.Template{JSON: []byte("{")},
			WorkflowTemplate: "a", CronWorkflow: "B",
			Namespace: "Argo", Arguments: params.Object{"a": params.Value{}}, InstanceID: "no spaces here",
			Labels: map[string]string{"a/b/c": "", "x": "?"}, Wait: -1, Resubmit: 1,
		}, []string{
			"Client.Config: is nil; set it, or both Dynamic and Mapper",
			"Manifest.JSON: the document is not valid JSON",
			`CronWorkflow: "B" is no name: a lowercase RFC 1123 subdomain`,
			"WorkflowTemplate: is set beside Manifest; a Workflow is made from one of them",
			"CronWorkflow: is set beside Manifest; a Workflow is made from one of them",
			`Namespace: "Argo" is no namespace: a lowercase RFC 1123 label`,
			`Arguments["a"]: the Value is empty`,
			`InstanceID: "no spaces here" is no value of a label`,
			`Labels["a/b/c"]: is no name of a label`,
			`Labels["x"]: "?" is no value of a label`,
			"Wait: is negative; zero does not wait",
			"Resubmit: takes Wait: what is not waited for is not seen to fail",
		}},
		"a name that is no label": {&workflow.Submit{Client: c, WorkflowTemplate: strings.Repeat("a", 64)}, []string{
			"WorkflowTemplate: \"" + strings.Repeat("a", 64) + "\" is no name: must be no more than 63",
		}},
		"negative Resubmit": {&workflow.Submit{Client: c, CronWorkflow: "a", Resubmit: -1}, []string{"Resubmit: is negative; zero never submits again"}},
		"Manifest of another kind": {&workflow.Submit{Client: c, Manifest: &k8s.Manifest{
			Text: "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}",
		}}, []string{`Manifest: is of batch/v1 "Job"; Submit takes argoproj.io/v1alpha1 "Workflow"`}},
		"Manifest of an unknown kind": {&workflow.Submit{Client: c, Resubmit: -1, Manifest: &k8s.Manifest{
			Text: "apiVersion: batch/v1\nmetadata: {name: a}", Params: []params.Param{{Dest: "kind", Value: name}},
		}}, []string{"Resubmit: is negative"}},
		"nil k8s.Manifest": {&workflow.Submit{Client: c, Manifest: (*k8s.Manifest)(nil)}, []string{"Manifest: is a nil *k8s.Manifest"}},
		"nil Manifest": {&workflow.Submit{Client: c, Manifest: (*params.Template)(nil)}, []string{
			"Manifest: is a nil *params.Template",
		}},
		"empty Control": {&workflow.Control{}, []string{
			"Client: is nil",
			"Name: is empty; say which one by params.Const or a value of the firing",
			"Operation: is empty; say what is to be done, such as workflow.Stop",
		}},
		"unknown operation": {&workflow.Control{Client: c, Name: name, Operation: "halt"}, []string{`Operation: "halt" is none`}},
		"retry alone": {&workflow.Control{Client: c, Name: name, Operation: workflow.Retry}, []string{
			"Server: is nil, but only an argo-server can retry a Workflow",
		}},
		"memoized alone": {&workflow.Control{Client: c, Name: name, Operation: workflow.Resubmit, Memoized: true}, []string{
			"Server: is nil, but only an argo-server can make a memoized copy",
		}},
		"what has no effect": {&workflow.Control{Client: c, Name: name, Operation: workflow.Stop, Memoized: true, Arguments: params.Object{"a": 1}}, []string{
			"Arguments: have no effect on stop",
			"Memoized: has no effect on stop",
		}},
		"parts": {&workflow.Control{Client: c, Name: params.Data(push, ""), Operation: workflow.Retry, Namespace: "a/b", Server: &workflow.Server{}}, []string{
			"Name: the path is empty",
			`Namespace: "a/b" is no namespace`,
			"Server.URL: is empty; an argo-server is at such as https://argo-server.argo:2746",
		}},
		"URLs":   {&workflow.Server{URL: "argo:2746"}, []string{"URL: is \"argo:2746\"; it begins with https:// and a host"}},
		"no URL": {&workflow.Server{URL: "::"}, []string{"URL: is no URL"}},
		"secrets in the URL": {&workflow.Server{URL: "https://me:secret@argo"}, []string{
			"URL: has a user, a query or a fragment; the Token has a field of its own",
		}},
		"empty Rollout": {&workflow.Rollout{}, []string{
			"Client: is nil", "Name: is empty", "Operation: is empty; say workflow.Promote, workflow.PromoteFull or workflow.Abort",
		}},
		"bad Rollout": {&workflow.Rollout{Client: c, Name: name, Operation: "restart", PodHash: params.Data(nil, "x")}, []string{
			`Operation: "restart" is none; say`, "PodHash: the dependency is nil",
		}},
		"good Submit":  {&workflow.Submit{Client: c, WorkflowTemplate: "a", Wait: time.Minute, Resubmit: 1}, nil},
		"good Control": {&workflow.Control{Client: c, Name: name, Operation: workflow.Retry, Server: server}, nil},
		"good Rollout": {&workflow.Rollout{Client: c, Name: name, Operation: workflow.Abort}, nil},
	} {
		t.Run(title, func(t *testing.T) {
			err := tt.part.Validate()
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			var all []error
			if list, ok := err.(interface{ Unwrap() []error }); ok {
				all = list.Unwrap()
			} else {
				all = []error{err}
			}
			require.Len(t, all, len(tt.want), "%v", err)
			for i, want := range tt.want {
				require.ErrorContains(t, all[i], want)
				var config *hearken.ConfigError
				assert.ErrorAs(t, all[i], &config)
			}
		})
	}
}

// The pipeline finds what a trigger reads and the condition does not give.
func TestReads(t *testing.T) {
	c := &k8s.Client{Config: &rest.Config{}, Namespace: "argo"}
	source := &hearken.EventSource{Name: "git", Event: "push"}
	a := &hearken.Dependency{EventSource: source}
	other := &hearken.Dependency{Name: "other", EventSource: source}
	p := &hearken.Pipeline{Name: "p", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{source}, Sensors: []hearken.Sensor{{
		Name: "s", Actions: []hearken.Action{
			{Name: "submit", When: a, Timeout: time.Second, Trigger: &workflow.Submit{
				Client: c, Manifest: params.Data(other, "x"), Arguments: params.Object{"m": params.Data(other, "x")}, Wait: time.Minute,
			}},
			{Name: "stop", When: a, Trigger: &workflow.Control{Client: c, Operation: workflow.Stop, Name: params.Data(other, "x")}},
			{Name: "roll", When: a, Trigger: &workflow.Rollout{
				Client: c, Operation: workflow.Abort, Name: params.Data(a, "x"), PodHash: params.Data(other, "x"),
			}},
		},
	}}}
	err := p.Validate()
	for _, want := range []string{
		`Sensors["s"].Actions["submit"].Trigger.Manifest: reads dependency "other", which is not in the action's When`,
		`Sensors["s"].Actions["submit"].Trigger.Arguments["m"]: reads dependency "other"`,
		`Sensors["s"].Actions["submit"].Timeout: `,
		`Sensors["s"].Actions["stop"].Trigger.Name: reads dependency "other"`,
		`Sensors["s"].Actions["roll"].Trigger.PodHash: reads dependency "other"`,
	} {
		require.ErrorContains(t, err, want)
	}
	var joined interface{ Unwrap() []error }
	require.True(t, errors.As(err, &joined))
	assert.Len(t, joined.Unwrap(), 5, "%v", err)
}
