package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// forest is an exporter that keeps the spans, to print them as trees.
type forest struct {
	mu    sync.Mutex
	spans []trace.ReadOnlySpan
	text  strings.Builder
	shown map[oteltrace.SpanID]bool
}

// ExportSpans implements trace.SpanExporter.
func (f *forest) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spans = append(f.spans, spans...)
	return nil
}

// Shutdown implements trace.SpanExporter.
func (f *forest) Shutdown(context.Context) error { return nil }

// print writes each trace that begins here. A span that links to others, as a
// firing does to those that emitted its events, begins none: it stands below
// each of them, with what is below it the first time.
func (f *forest) print(out io.Writer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortStableFunc(f.spans, func(a, b trace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	f.text.Reset()
	f.shown = make(map[oteltrace.SpanID]bool)
	known := make(map[oteltrace.SpanID]bool)
	for _, s := range f.spans {
		known[s.SpanContext().SpanID()] = true
	}
	isKnown := func(l trace.Link) bool { return known[l.SpanContext.SpanID()] }
	for _, s := range f.spans {
		if !known[s.Parent().SpanID()] && !slices.ContainsFunc(s.Links(), isKnown) {
			fmt.Fprintf(&f.text, "\ntrace %s\n", s.SpanContext().TraceID())
			f.span(s, "", "")
		}
	}
	_, err := io.WriteString(out, f.text.String())
	return err
}

func (f *forest) span(s trace.ReadOnlySpan, indent, mark string) {
	id := s.SpanContext().SpanID()
	line := fmt.Sprintf("%s%s%s (%s)", indent, mark, s.Name(), s.SpanKind())
	if f.shown[id] {
		fmt.Fprintf(&f.text, "%s, shown above\n", line)
		return
	}
	f.shown[id] = true
	fmt.Fprintf(&f.text, "%-60s %8s", line, s.EndTime().Sub(s.StartTime()).Round(10*time.Microsecond))
	if s.Status().Code == codes.Error {
		fmt.Fprintf(&f.text, "  error: %s", s.Status().Description)
	}
	f.text.WriteString("\n")
	for _, e := range s.Events() {
		fmt.Fprintf(&f.text, "%s  ! %s\n", indent, e.Name)
	}
	for _, o := range f.spans {
		if o.Parent().SpanID() == id {
			f.span(o, indent+"  ", "")
		}
	}
	for _, o := range f.spans {
		if o.Parent().SpanID() != id && slices.ContainsFunc(o.Links(), func(l trace.Link) bool { return l.SpanContext.SpanID() == id }) {
			f.span(o, indent+"  ", "~ linked: ")
		}
	}
}
