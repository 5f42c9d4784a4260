package params_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// workflow is an object of the size that people send: with its lookup sjson
// costs about seven times a lookup in the small event.
const workflow = `{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"generateName":"webhook-","namespace":"argo",` +
	`"labels":{"app.kubernetes.io/name":"webhook","app.kubernetes.io/part-of":"events","team":"platform"},` +
	`"annotations":{"workflows.argoproj.io/description":"Says what the webhook said.","workflows.argoproj.io/version":">= 3.4.0"}},` +
	`"spec":{"entrypoint":"whalesay","serviceAccountName":"operate-workflow-sa","ttlStrategy":{"secondsAfterCompletion":3600},"podGC":{"strategy":"OnPodSuccess"},` +
	`"templates":[{"name":"whalesay","inputs":{"parameters":[{"name":"message"}]},"container":{"image":"docker/whalesay:latest","command":["cowsay"],` +
	`"args":["{{inputs.parameters.message}}"],"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}}}}],` +
	`"arguments":{"parameters":[{"name":"message","value":"hello world"}]}}}`

const destination = "spec.arguments.parameters.0.value"

// webhookData returns the data of a webhook of about size bytes, the message
// at its end.
func webhookData(size int) string {
	const frame = `{"header":{"Content-Type":["application/json"]},"body":{"repo":{"id":42,"private":false,"name":"x"},"message":"hello"}}`
	item := `{"id":1234,"name":"some name","ok":true},`
	n := max(0, (size-len(frame))/len(item))
	list := `"items":[` + strings.TrimSuffix(strings.Repeat(item, n), ",") + `],"message"`
	return strings.Replace(frame, `"message"`, list, 1)
}

// BenchmarkTemplate prints, beside the usual figures, the time of a payload over
// that of gjson and sjson by hand in the same run.
func BenchmarkTemplate(b *testing.B) {
	for _, size := range []int{494, 10 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			d := newDependency("hook")
			f := newFiring(b, d, webhookData(size))
			e := f.Events["hook"]
			compareWith(b, f, &params.Template{
				JSON:   []byte(workflow),
				Params: []params.Param{{Dest: destination, Value: params.Data(d, "body.message")}},
			}, func() error {
				_, err := sjson.SetBytes([]byte(workflow), destination, gjson.GetBytes(e.Data(), "body.message").String())
				return err
			})
		})
	}
}

// BenchmarkObject compares an object of two values with one built by sjson.
func BenchmarkObject(b *testing.B) {
	d := newDependency("hook")
	f := newFiring(b, d, webhookData(494))
	e := f.Events["hook"]
	compareWith(b, f, params.Object{"message": params.Data(d, "body.message"), "id": params.Context(d, "id")}, func() error {
		out, err := sjson.SetBytes(nil, "message", gjson.GetBytes(e.Data(), "body.message").String())
		if err != nil {
			return err
		}
		_, err = sjson.SetBytes(out, "id", e.ID())
		return err
	})
}

// compareWith runs both in turns, so that a busy machine slows both.
func compareWith(b *testing.B, f hearken.Firing, p hearken.Payload, byHand func() error) {
	var hand, ours time.Duration
	rounds := 0
	b.ReportAllocs()
	for b.Loop() {
		hand += timed(b, byHand)
		ours += timed(b, func() error {
			_, err := p.Payload(f)
			return err
		})
		rounds += 100
	}
	b.ReportMetric(float64(ours.Nanoseconds())/float64(rounds), "ns/payload")
	b.ReportMetric(float64(ours)/float64(hand), "x-by-hand")
	b.ReportMetric(testing.AllocsPerRun(100, func() {
		if _, err := p.Payload(f); err != nil {
			b.Error(err)
		}
	}), "allocs/payload")
}

func timed(b *testing.B, run func() error) time.Duration {
	start := time.Now()
	for range 100 {
		if err := run(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func BenchmarkEvent(b *testing.B) {
	d := newDependency("hook")
	f := newFiring(b, d, webhookData(494))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := params.Event(d).Payload(f); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTemplateInTurn is what a destination costs that depends on a value.
func BenchmarkTemplateInTurn(b *testing.B) {
	d := newDependency("hook")
	f := newFiring(b, d, webhookData(494))
	p := &params.Template{JSON: []byte(workflow), Params: []params.Param{
		{Dest: "spec.arguments", Value: params.Data(d, "body.repo")},
		{Dest: "spec.arguments.message", Value: params.Data(d, "body.message")},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Payload(f); err != nil {
			b.Fatal(err)
		}
	}
}
