package snssource

import (
	"context"

	"github.com/hearken-go/hearken"
	"go.opentelemetry.io/otel/propagation"
)

// setTrace gives event the trace that e was published in, by its attributes (W3C
// Trace Context): what is not understood is left out. SNS does not sign these, but
// no more comes of them than of a webhook's header.
func setTrace(event *hearken.Event, e *envelope) {
	published := propagation.MapCarrier{}
	for _, name := range (propagation.TraceContext{}).Fields() {
		published[name] = e.fields["MessageAttributes"].Get(name + ".Value").String()
	}
	var w3c propagation.TraceContext
	trace := propagation.MapCarrier{}
	w3c.Inject(w3c.Extract(context.Background(), published), trace)
	for name, value := range trace {
		event.SetExtension(name, value)
	}
}
