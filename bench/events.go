package bench

import (
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// The two sizes of event data that PERFORMANCE.md measures with, beside the
// quickstart's.
const (
	usualSize = 494
	largeSize = 10 << 10
)

// greeting is the data of the quickstart's event.
const greeting = `{"header":{"Content-Type":["application/json"]},"body":{"message":"hello"}}`

// messagePath is where greeting, and webhookData, say hello.
const messagePath = "body.message"

// webhookData returns the data of a webhook event of about size bytes, with the
// message at its end.
func webhookData(size int) []byte {
	const (
		frame = `{"header":{"Content-Type":["application/json"]},"body":{"repo":{"id":42,"private":false,"name":"x"},"message":"hello"}}`
		item  = `{"id":1234,"name":"some name","ok":true},`
	)
	n := max(0, (size-len(frame)-len(`"items":[],`))/len(item))
	list := `"items":[` + strings.TrimSuffix(strings.Repeat(item, n), ",") + `],"message"`
	return []byte(strings.Replace(frame, `"message"`, list, 1))
}

// published is the topic of the events of the benchmarks of a bus.
var published = bus.Topic{EventSource: "webhook", Event: "greeting"} //nolint:gochecknoglobals // a constant

// eventMaker makes events that no dedupe window has seen.
type eventMaker struct {
	last int
	data []byte
}

// bare returns the next event as a source makes it: id, type and data.
func (m *eventMaker) bare() hearken.Event {
	m.last++
	json := event.ApplicationJSON
	return hearken.Event{
		Context:     &event.EventContextV1{ID: strconv.Itoa(m.last), Type: "webhook", DataContentType: &json},
		DataEncoded: m.data,
	}
}

// bares returns n events.
func (m *eventMaker) bares(n int) []hearken.Event {
	all := make([]hearken.Event, n)
	for i := range all {
		all[i] = m.bare()
	}
	return all
}

// stamped returns n events as the engine hands them to a bus.
func (m *eventMaker) stamped(n int) []hearken.Event {
	all := m.bares(n)
	for _, e := range all {
		c := e.Context.(*event.EventContextV1)
		c.Source.Path = published.EventSource
		c.Subject = &published.Event
		c.Time = &types.Timestamp{Time: time.Unix(1_700_000_000, 0).UTC()}
	}
	return all
}
