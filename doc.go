// Package hearken is event-driven automation inside a Go program: what Argo
// Events builds from Kubernetes controllers and pods, assembled in plain Go.
//
//	Source ──emit──▶ Bus ──deliver──▶ Sensor ──fire──▶ Trigger
//
// A [Source] turns what happens somewhere into CloudEvents. A [bus.Bus] stores
// them. A [Sensor] has actions ([Action]), each with a [Condition] made of
// [Dependency] values that filter events, and a [Trigger] that acts on what
// made the condition hold. A [Pipeline] is all of it put together:
//
//	hook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
//	greetings := &hearken.EventSource{Name: "webhook", Event: "greeting", Source: hook}
//	p := &hearken.Pipeline{
//		Name:         "quickstart",
//		Bus:          b,
//		EventSources: []*hearken.EventSource{greetings},
//		Sensors: []hearken.Sensor{{Name: "greet", Actions: []hearken.Action{{
//			When:    &hearken.Dependency{EventSource: greetings, Filter: filters.Data("body.message", "hello", "hey")},
//			Trigger: submit,
//		}}}},
//	}
//	err := p.Run(ctx)
//
// # Promises
//
// At least once, end to end. A source settles upstream only after the bus has
// stored the event for every sensor that wants it; the bus is told that an
// event is done with only after every action that it concerns has succeeded or
// was dead-lettered, or after the event was stored to wait for others. A crash at
// any instant loses nothing that the bus and the store keep.
//
// Nothing fails in the log only. An action is retried, by default for 15
// minutes; what then gives up becomes a dead letter: the event, with the story
// of its failure, on a topic that a sensor can depend on ([DeadLetters]) and
// that can be published back ([Pipeline.Redrive]).
//
// Duplicates are recognisable. [Firing.ID] is the same each time the same
// events make the same action fire, and triggers hand it on as the idempotency
// key of their protocol.
//
// Mistakes are found before anything runs, all at once ([Pipeline.Validate]).
// And time is package time: testing/synctest drives a pipeline through hours in
// milliseconds.
//
// # Life of an event
//
// An event that is received holds one of its sensor's places in flight. Its
// dependencies judge it, each once; it fires the actions whose condition it
// makes hold, and waits in the joins that lack another. A firing that fails is
// put aside and tried again, in this process, while its worker does other
// things; what has succeeded is not done again. When all is done the event is
// settled. A sensor whose places are all held stops receiving, the bus fills up,
// and [bus.ErrFull] tells the sources, which tell their upstream.
//
// A panic of a filter, a key or a trigger is an error of that event only. An
// event that is delivered more than 20 times, since it kills the process or
// nobody settles it, is dead-lettered before it fires again. A message on the
// bus that is no event is dead-lettered as it is.
//
// # Joins
//
// An action whose condition needs several events is a join. What waits is kept in
// the pipeline's Store, one entry for each action and key, so it survives what the
// store survives, and any number of processes may run the sensor: each takes a
// delivery into the entry by compare and swap, wherever the others arrive.
//
//	built := &hearken.Dependency{EventSource: image, Key: hearken.DataKey("body.commit")}
//	passed := &hearken.Dependency{EventSource: tests, Key: hearken.DataKey("body.commit")}
//	deploy := hearken.Action{When: hearken.All(built, passed), Within: time.Hour, Trigger: submit}
//
// An event that has to wait is settled once it is stored. The delivery that
// completes a condition is settled last, after the action has fired and the join
// has been cleared: a crash before that makes the bus deliver it again, and the
// same firing follows with the same [Firing.ID]. Once it has been cleared its
// events, however often they are delivered again, fire nothing more: they are
// recognised by their positions on the bus, for a week after the last event of
// their key.
//
// What has waited for as long as [Action].Within says is dead-lettered, with what it
// had and what it missed; so is what an older version of the action left behind,
// or one that is gone, and what waits for a sensor that no process of the pipeline
// has run for eight days, of which the log warns before.
// What a later event took the place of, or Reset ended, is counted and logged.
// Keyless joins of an action all meet in one entry: the store's compare and swap,
// one at a time in each process, bounds their rate, though what arrives meanwhile
// is taken together. In bench that is some 6,000 events a second over JetStream
// on files, and some 40,000 in memory, on two cores.
//
// # What it tells
//
// [Pipeline.Health] counts, for each dependency, what was received, matched,
// filtered out and failed, which answers why nothing fired; the Logger says at
// level debug why an event was filtered out. [Pipeline.LiveHandler] and
// [Pipeline.ReadyHandler] answer probes, and [Pipeline.Backlog] asks the bus what
// waits.
//
// With a TracerProvider an event carries the trace of its emit, and the span of a
// firing is linked to those of its events, so that a trace goes from a request
// through the bus to what a trigger calls. With a MeterProvider the instruments
// below are recorded. Their attributes are hearken.pipeline and those named,
// each with "hearken." before it.
//
//	hearken.events.emitted            event_source, event, outcome: stored, full, rejected, invalid, error
//	hearken.events.received           sensor
//	hearken.events.redelivered        sensor; those of the received that were not the first of their event
//	hearken.events.repeated           sensor; dropped since the sensor held them already
//	hearken.events.matched            sensor, dependency, event_source, event
//	hearken.events.filtered           sensor, dependency, event_source, event, reason: filter, error
//	hearken.events.dead_lettered      sensor, action; without an action when none was begun
//	hearken.events.in_flight          sensor; goes up and down
//	hearken.dead_letters.unstored     sensor; goes up and down; the bus has not taken them yet
//	hearken.joins.joined              sensor, action; events
//	hearken.joins.pending             sensor, action; goes up and down; see ActionHealth.Pending
//	hearken.joins.superseded          sensor, action; events, as the next two
//	hearken.joins.expired             sensor, action
//	hearken.joins.reset               sensor, action
//	hearken.firings.fired             sensor, action
//	hearken.firings.failed_attempts   sensor, action
//	hearken.firings.retried           sensor, action
//	hearken.firing.duration           sensor, action, outcome: fired, dead_lettered; seconds
//	hearken.event.latency             the same; from when the bus stored the event to the firing's end
//
// See [Pipeline.Run] for how a pipeline starts and ends, and the packages below
// bus, sources, filters and triggers for the parts.
package hearken
