package bustest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/url"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken/bus"
)

func eventCases() []busCase {
	const (
		published = "Event is the event as published."
		names     = "Both names may hold any characters, and two topics are one only if both names are equal."
	)
	return []busCase{
		{name: "Event/comes as published", clause: published, prove: roundTrip},
		{name: "Event/topics of any name", clause: names, prove: topicNames},
		{name: "Event/topics that look alike", clause: names, prove: topicsApart},
	}
}

// differ says in what got differs from want, or nothing. Attributes that are
// types in CloudEvents but strings on a wire are compared as they are written.
func differ(got, want event.Event) string {
	if got.Context == nil {
		return "has no attributes"
	}
	if err := got.Validate(); err != nil {
		return "is not valid: " + err.Error()
	}
	for _, a := range []struct{ name, got, want string }{
		{"specversion", got.SpecVersion(), want.SpecVersion()},
		{"id", got.ID(), want.ID()},
		{"source", got.Source(), want.Source()},
		{"type", got.Type(), want.Type()},
		{"subject", got.Subject(), want.Subject()},
		{"dataschema", got.DataSchema(), want.DataSchema()},
		{"datacontenttype", got.DataContentType(), want.DataContentType()},
		{"time", got.Time().UTC().Format(time.RFC3339Nano), want.Time().UTC().Format(time.RFC3339Nano)},
	} {
		if a.got != a.want {
			return fmt.Sprintf("%s is %q, want %q", a.name, a.got, a.want)
		}
	}
	if !bytes.Equal(got.Data(), want.Data()) {
		return fmt.Sprintf("data is %.80q, want %.80q", got.Data(), want.Data())
	}
	if g, w := written(got.Extensions()), written(want.Extensions()); !maps.Equal(g, w) {
		return fmt.Sprintf("extensions are %q, want %q", g, w)
	}
	return ""
}

// written returns extensions in their canonical CloudEvents string form.
func written(ext map[string]any) map[string]string {
	out := make(map[string]string, len(ext))
	for name, value := range ext {
		s, err := types.Format(value)
		if err != nil {
			s = "not a CloudEvents value: " + err.Error()
		}
		out[name] = s
	}
	return out
}

func roundTrip(p *probe) {
	b := p.open()
	s := p.subscribe(b, "group", ordinary("created"))
	want := map[string]event.Event{}
	for _, e := range sampleEvents() {
		want[e.ID()] = e
		p.send(b, ordinary("created"), e.Clone())
	}
	for _, d := range p.take(s, len(want)) {
		e, ok := want[d.Event.ID()]
		if !ok {
			p.failf("an event with id %q came, which was not published", d.Event.ID())
		}
		p.same(d.Event, e)
		p.ack(d)
	}
}

// sampleEvents returns an event of each kind that is apt to be changed on the way.
func sampleEvents() []event.Event {
	made := func(id string, f func(e *event.Event)) event.Event {
		e := newEvent(id)
		f(&e)
		return e
	}
	return []event.Event{
		made("json", func(e *event.Event) {
			e.SetDataContentType(event.ApplicationJSON)
			e.DataEncoded = []byte(`{"body": {"message": "hello"}, "big": 12345678901234567890}`)
		}),
		made("media type with parameters", func(e *event.Event) { e.SetDataContentType("text/plain; charset=iso-8859-1") }),
		made("json under another type", func(e *event.Event) {
			e.SetDataContentType("application/vnd.example+json")
			e.DataEncoded = []byte(" [1,\n2]\n")
		}),
		made("cloudevents as data", func(e *event.Event) {
			e.SetDataContentType(event.ApplicationCloudEventsJSON)
			e.DataEncoded = []byte(`{"specversion":"1.0","id":"inner","source":"s","type":"t"}`)
		}),
		made("binary", func(e *event.Event) {
			e.SetDataContentType("application/octet-stream")
			e.DataEncoded = everyByte()
			e.DataBase64 = true
		}),
		made("no content type", func(e *event.Event) { e.Context.(*event.EventContextV1).DataContentType = nil }),
		made("no data", func(e *event.Event) { e.DataEncoded = nil }),
		made("neither", func(e *event.Event) {
			e.Context.(*event.EventContextV1).DataContentType, e.DataEncoded = nil, nil
		}),
		made("all attributes", allAttributes),
		made("attributes of odd characters: ü € 日本 🎉 %41 \"quoted\" \\", func(e *event.Event) {
			e.SetSource("https://user@example.com:8080/a%20b/%C3%BC?q=1&r=%3F#fragment")
			e.SetType("com.example.ü€🎉 % \"type\"")
			e.SetSubject("  spaces, ü, €, 🎉, %25 and \"quotes\"  ")
		}),
		made("extensions", allExtensions),
	}
}

func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func allAttributes(e *event.Event) {
	e.SetSource("urn:example:1")
	e.SetSubject("subject")
	e.SetDataSchema("https://example.com/schema?v=1#x")
	e.SetTime(time.Date(2026, 2, 3, 4, 5, 6, 123456789, time.FixedZone("", 2*60*60)))
}

func allExtensions(e *event.Event) {
	e.SetExtension("text", "ü € 🎉 % \"quoted\" a,b;c")
	e.SetExtension("empty", "")
	e.SetExtension("number", int32(-2147483648))
	e.SetExtension("yes", true)
	e.SetExtension("no", false)
	e.SetExtension("instant", types.Timestamp{Time: time.Date(2026, 2, 3, 4, 5, 6, 700, time.UTC)})
	e.SetExtension("uri", types.URI{URL: url.URL{Scheme: "https", Host: "example.com", Path: "/a b"}})
	e.SetExtension("uriref", types.URIRef{URL: url.URL{Path: "a/b"}})
	e.SetExtension("bytes", everyByte())
	e.SetExtension("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	e.SetExtension("x0123456789", "digits in its name")
}

// oddNames are names that a bus is apt to read something into.
func oddNames() []string {
	return []string{
		"plain", "PLAIN", "a.b", "a", "b", "a/b", "a b", " ", "*", ">", "a.*", "a.>", ".", "..", "$", "$JS", "%", "%2e", "a%2eb", "_",
		"-", "=", "\\", "\"", "'", "a\nb", "\r\n", "\t", "\x00", "ü", "日本", "🎉", "a:b", "#", "+", "a+b", "{{.}}", "aa", "a,b", "|",
	}
}

// topicNames gives a group one topic of each odd name and proves that each
// event comes with the topic it was published to.
func topicNames(p *probe) {
	b := p.open()
	var topics []bus.Topic
	for _, name := range oddNames() {
		topics = append(topics, bus.Topic{EventSource: name, Event: "event"}, bus.Topic{EventSource: "source", Event: name})
	}
	s := p.subscribe(b, "group", topics...)
	want := map[string]bus.Topic{}
	for i, t := range topics {
		id := fmt.Sprint(i)
		want[id] = t
		p.publish(b, t, id)
	}
	for range topics {
		d := p.receive(s)
		if d.Topic != want[d.Event.ID()] {
			p.failf("an event published to %q came as one of %q", want[d.Event.ID()], d.Topic)
		}
		delete(want, d.Event.ID())
		p.ack(d)
	}
	for id, t := range want {
		p.failf("event %s, published to %q, did not come", id, t)
	}
}

// topicsApart gives a group each of the topics that look alike, and proves
// that it gets the events of no other.
func topicsApart(p *probe) {
	b := p.open()
	topics := []bus.Topic{
		{EventSource: "a", Event: "b"},
		{EventSource: "A", Event: "b"},
		{EventSource: "a", Event: "*"},
		{EventSource: "a", Event: ">"},
		{EventSource: "*", Event: "*"},
		{EventSource: ">", Event: ">"},
		{EventSource: "a.b", Event: "b"},
		{EventSource: "a", Event: "b.b"},
		{EventSource: "ab", Event: ""},
		{EventSource: "", Event: "ab"},
		{EventSource: "a/b", Event: "c"},
		{EventSource: "a", Event: "b/c"},
	}
	subs := make([]bus.Subscription, len(topics))
	for i, t := range topics {
		subs[i] = p.subscribe(b, fmt.Sprintf("group %d", i), t)
	}
	for i, t := range topics {
		p.publish(b, t, fmt.Sprint(i))
	}
	for i, s := range subs {
		if d := p.gather(s, fmt.Sprint(i))[0]; d.Topic != topics[i] {
			p.failf("an event published to %q came as one of %q", topics[i], d.Topic)
		}
	}
	p.parallel(len(subs), func(ctx context.Context, i int) error {
		if err := silent(ctx, p.h.Quiet, subs[i]); err != nil {
			return fmt.Errorf("the group of topic %q had got its event: %w", topics[i], err)
		}
		return nil
	})
}
