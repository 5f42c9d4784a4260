package bench

import (
	"errors"
	"fmt"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
)

// parameterised is how many payloads are made each round.
const parameterised = 1_000

// The Argo workflow of the quickstart, and where its message goes.
const (
	workflow = `{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"generateName":"webhook-"},` +
		`"spec":{"entrypoint":"whalesay","arguments":{"parameters":[{"name":"message","value":"hello world"}]},` +
		`"templates":[{"name":"whalesay","inputs":{"parameters":[{"name":"message"}]},` +
		`"container":{"image":"docker/whalesay:latest","command":["cowsay"],"args":["{{inputs.parameters.message}}"]}}]}}`
	destination = "spec.arguments.parameters.0.value"
)

// BenchmarkParams is row 5: a value of the event put into a workflow, against
// gjson and sjson.
func BenchmarkParams(b *testing.B) {
	for _, size := range []int{usualSize, largeSize} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			e := (&eventMaker{data: webhookData(size)}).bare()
			compare(b, parameterised, []string{"ns/op"},
				perOperation(hearkens, payloads(e)),
				perOperation(limits, settings(e)))
		})
	}
}

var errPayload = errors.New("the payload is not what it has to be")

func payloads(e hearken.Event) func(n int) error {
	d := &hearken.Dependency{Name: "hook"}
	template := &params.Template{
		JSON:   []byte(workflow),
		Params: []params.Param{{Dest: destination, Value: params.Data(d, messagePath)}},
	}
	f := hearken.Firing{Events: map[string]hearken.Event{"hook": e}}
	return func(n int) error {
		for range n {
			body, err := template.Payload(f)
			if err != nil {
				return err
			}
			if len(body) != len(workflow)-len(" world") {
				return errPayload
			}
		}
		return nil
	}
}

func settings(e hearken.Event) func(n int) error {
	return func(n int) error {
		for range n {
			body, err := sjson.SetBytes([]byte(workflow), destination, gjson.GetBytes(e.DataEncoded, messagePath).String())
			if err != nil {
				return err
			}
			if len(body) != len(workflow)-len(" world") {
				return errPayload
			}
		}
		return nil
	}
}
