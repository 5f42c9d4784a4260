package bus_test

import (
	"net/url"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
)

func newEvent(source, id string) event.Event {
	e := event.New()
	e.SetSource(source)
	e.SetID(id)
	return e
}

func TestIdentityTellsHappeningsApart(t *testing.T) {
	topic := bus.Topic{EventSource: "a", Event: "b"}
	first := bus.IdentityOf(topic, newEvent("s", "1"))

	redriven := newEvent("s", "1")
	redriven.SetExtension(bus.RedriveExtension, int32(1))
	redriven.SetExtension(bus.FiringExtension, "f")
	another := redriven.Clone()
	another.SetExtension(bus.FiringExtension, "g")
	assert.NotEqual(t, bus.IdentityOf(topic, redriven), bus.IdentityOf(topic, another), "published back for another action")
	assert.NotEqual(t, bus.IdentityOf(topic, redriven).Hash(), bus.IdentityOf(topic, another).Hash())
	tests := []struct {
		name string
		id   bus.Identity
		same bool
	}{
		{"the same", bus.IdentityOf(topic, newEvent("s", "1")), true},
		{"another id", bus.IdentityOf(topic, newEvent("s", "2")), false},
		{"another source", bus.IdentityOf(topic, newEvent("t", "1")), false},
		{"another topic", bus.IdentityOf(bus.Topic{EventSource: "a", Event: "c"}, newEvent("s", "1")), false},
		{"names that only run together alike", bus.IdentityOf(bus.Topic{EventSource: "ab", Event: ""}, newEvent("s", "1")), false},
		{"published back", bus.IdentityOf(topic, redriven), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.same, tt.id == first)
			assert.Equal(t, tt.same, tt.id.Hash() == first.Hash())
		})
	}
	assert.Len(t, first.Hash(), 32)
}

func TestIdentityOfAnySource(t *testing.T) {
	for _, s := range []string{"", "webhook", "/a/b", "a%20b", "https://user@example.com/x?q=1#f", "urn:x:y", "a:b", "?q"} {
		e := newEvent("x", "1")
		u, err := url.Parse(s)
		assert.NoError(t, err)
		e.Context.(*event.EventContextV1).Source.URL = *u
		assert.Equal(t, e.Source(), bus.IdentityOf(bus.Topic{}, e).Source, s)
	}
	assert.Equal(t, bus.Identity{}, bus.IdentityOf(bus.Topic{}, event.Event{}), "an event without a context")
}

func TestRedrive(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  int
	}{{nil, 0}, {int32(3), 3}, {"4", 4}, {"x", 0}, {true, 0}} {
		e := newEvent("s", "1")
		e.SetExtension(bus.RedriveExtension, tt.value)
		assert.Equal(t, tt.want, bus.Redrive(e), "%v", tt.value)
	}
}
