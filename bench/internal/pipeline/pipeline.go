// Package pipeline is Hearken as it is measured: a webhook, a bus, a sensor with
// the quickstart's filter, and a trigger that posts the body to a sink.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bench/internal/child"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/filters"
	"github.com/hearken-go/hearken/sources/webhook"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/params"
)

// Serve runs the pipeline on b, and its webhook on l, until ctx ends.
func Serve(ctx context.Context, l net.Listener, c child.Config, b bus.Bus) error {
	hook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
	source := &hearken.EventSource{Name: "webhook", Event: "greeting", Source: hook}
	greeting := &hearken.Dependency{EventSource: source, Filter: filters.Data("body.message", "hello", "hey")}
	p := &hearken.Pipeline{
		Name: "bench", Bus: b, EventSources: []*hearken.EventSource{source},
		Logger: slog.New(slog.DiscardHandler),
		Drain:  2 * time.Second,
		Sensors: []hearken.Sensor{{Name: "post", Workers: c.Workers, Actions: []hearken.Action{{
			Name:    "post",
			When:    greeting,
			Trigger: &httptrigger.Trigger{URL: c.Sink, Payload: params.Data(greeting, "body")},
		}}}},
	}
	addIdle(p, source, c)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ran := make(chan error, 1)
	go func() {
		defer cancel()
		ran <- p.Run(ctx)
	}()
	err := child.ServeHTTP(ctx, l, hook)
	cancel()
	if ran := <-ran; !errors.Is(ran, hearken.ErrDrain) { // a sink that never answers is part of the game
		err = errors.Join(err, ran)
	}
	return err
}

// addIdle adds actions and sensors that are only there to be weighed. Each has
// a filter of its own that never matches.
func addIdle(p *hearken.Pipeline, source *hearken.EventSource, c child.Config) {
	action := func(i int) hearken.Action {
		d := &hearken.Dependency{EventSource: source, Filter: filters.Data("body.message", fmt.Sprintf("nobody says this %d", i))}
		return hearken.Action{
			Name: fmt.Sprintf("idle-%d", i), When: d,
			Trigger: &httptrigger.Trigger{URL: c.Sink, Payload: params.Data(d, "body")},
		}
	}
	for i := range c.Actions {
		p.Sensors[0].Actions = append(p.Sensors[0].Actions, action(i))
	}
	for i := range c.Sensors {
		p.Sensors = append(p.Sensors, hearken.Sensor{Name: fmt.Sprintf("idle-%d", i), Actions: []hearken.Action{action(i)}})
	}
}
