package k8s_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestAllMistakesAtOnce(t *testing.T) {
	trigger := &k8s.Trigger{
		Client: &k8s.Client{}, Operation: k8s.Create,
		Object:       &k8s.Manifest{Text: "kind: ConfigMap\nmetadata: {}", Params: []params.Param{{Value: 1}}},
		Patch:        params.Value{},
		Change:       func(hearken.Firing, *unstructured.Unstructured) error { return nil },
		Subresource:  "sta/tus",
		FieldManager: strings.Repeat("x", 129),
		Force:        true,
		Propagation:  "Sideways",
		MaxName:      15,
		Wait: k8s.Policy{
			Until: []k8s.Condition{{}, {Labels: map[string]string{"a": "b"}, Values: []string{"c"}}},
			Fail:  []k8s.Condition{{}},
		},
	}
	assert.Equal(t, []string{
		"Client.Config: is nil; set it, or both Dynamic and Mapper",
		`Object.Params[0].Dest: destination "": a key is empty`,
		"Object.Text: has no apiVersion",
		"Object.Text: has neither a metadata.name nor a metadata.generateName",
		"Patch: the Value is empty: params.Data and its like make one",
		"Change: is for Update",
		"Patch: is for MergePatch, StrategicMergePatch and JSONPatch; others act by Object",
		"Subresource: is for Update, Apply and patches",
		"Force: is for Apply",
		"Propagation: is for Delete",
		`Subresource: "sta/tus" is none; say status or scale`,
		"MaxName: is 15; it must be 16 to 253, or zero for 63",
		`Propagation: "Sideways" is none; say Background, Foreground or Orphan`,
		"FieldManager: is longer than 128 bytes, or not printable",
		"Wait.For: is zero; say how long it may take until the conditions of Until hold",
		"Wait.Until[0]: has neither Labels nor a Path",
		"Wait.Until[1].Values: is set without a Path",
		"Wait.Fail[0]: has neither Labels nor a Path",
	}, strings.Split(trigger.Validate().Error(), "\n"))
}

func TestMistakes(t *testing.T) {
	c := client(t, kubefake.New(t))
	for says, trigger := range map[string]*k8s.Trigger{
		"Client: is nil; it says how to reach the API server":                                                     {Object: manifest()},
		"Object: is nil; it says which object is meant":                                                           {Client: c},
		"Operation: there is no operation 9":                                                                      {Client: c, Object: manifest(), Operation: 9},
		"Change: is nil; it is what Update does to the object":                                                    {Client: c, Object: fixed(configMap("a")), Operation: k8s.Update},
		"Object.Text: has no metadata.name, which would say what to delete":                                       {Client: c, Object: manifest(), Operation: k8s.Delete},
		"Patch: is nil; a JSON patch is no object, so Object cannot be it":                                        {Client: c, Object: fixed(configMap("a")), Operation: k8s.JSONPatch},
		"MaxName: is for Create, CreateIfAbsent and Merge, which make names":                                      {Client: c, Object: fixed(configMap("a")), Operation: k8s.Delete, MaxName: 20},
		"Wait.Until: is empty; say what is waited for":                                                            {Client: c, Object: manifest(), Wait: k8s.Policy{For: 1}},
		"Wait.For: is -1ns; a wait takes time":                                                                    {Client: c, Object: manifest(), Wait: k8s.Policy{For: -1, Until: []k8s.Condition{{Path: "a"}}}},
		"Wait: is for operations that leave an object":                                                            {Client: c, Object: fixed(configMap("a")), Operation: k8s.Delete, Wait: k8s.Policy{For: 1, Until: []k8s.Condition{{Path: "a"}}}},
		"FieldManager: is longer than 128 bytes, or not printable":                                                {Client: c, Object: manifest(), FieldManager: "a\n"},
		`FieldValidation: "strict" is none; say Strict, Warn or Ignore`:                                           {Client: c, Object: manifest(), FieldValidation: "strict"},
		"FieldValidation: is for Create, CreateIfAbsent, Update, Merge and patches; Apply takes no unknown field": {Client: c, Object: fixed(configMap("a")), Operation: k8s.Apply, FieldValidation: "Warn"},
		`Propagation: "orphan" is none; say Background, Foreground or Orphan`:                                     {Client: c, Object: fixed(configMap("a")), Operation: k8s.Delete, Propagation: "orphan"},
	} {
		assert.EqualError(t, trigger.Validate(), says)
	}
}

func TestFireOfTheUnfinished(t *testing.T) {
	c := client(t, kubefake.New(t, configMaps))
	for name, trigger := range map[string]*k8s.Trigger{
		"no client":       {Object: manifest()},
		"no object":       {Client: c},
		"no change":       {Client: c, Object: fixed(configMap("a")), Operation: k8s.Update},
		"no patch":        {Client: c, Object: fixed(configMap("a")), Operation: k8s.JSONPatch},
		"no operation":    {Client: c, Object: fixed(configMap("a")), Operation: 9},
		"no API to reach": {Client: &k8s.Client{}, Object: fixed(configMap("a"))},
	} {
		t.Run(name, func(t *testing.T) {
			err := trigger.Fire(t.Context(), firing(t, "1"))
			require.Error(t, err)
			assert.True(t, hearken.IsPermanent(err), "%v", err)
		})
	}
}

// A wait that the action's Timeout would cut short is a mistake of the pipeline.
func TestWaitLongerThanTheTimeout(t *testing.T) {
	trigger := waitingTrigger(t, kubefake.New(t))
	source := push.EventSource
	p := &hearken.Pipeline{
		Name: "p", EventSources: []*hearken.EventSource{source},
		Sensors: []hearken.Sensor{{Name: "s", Actions: []hearken.Action{{When: push, Trigger: trigger, Timeout: 59 * time.Minute}}}},
	}
	require.ErrorContains(t, p.Validate(), `Sensors["s"].Actions[0].Timeout: is 59m0s, but the trigger may need 1h0m0s`)
	p.Sensors[0].Actions[0].Timeout = time.Hour
	assert.NotContains(t, p.Validate().Error(), "Timeout")
}

func TestReads(t *testing.T) {
	trigger := &k8s.Trigger{Object: manifest(), Patch: params.Data(push, "x")}
	var paths []string
	for _, r := range trigger.Reads() {
		paths = append(paths, r.Path)
	}
	assert.Equal(t, []string{"Object.Params[0].Value", "Patch"}, paths)
	assert.Empty(t, (&k8s.Trigger{Object: fixed(configMap("a"))}).Reads())
}
