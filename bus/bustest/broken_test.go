package bustest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/bustest"
)

// mutant is one way in which a bus is broken.
type mutant struct {
	name  string
	spoil func(f *faulty)
	hooks func(h *bustest.Harness) // what else is broken; nil: nothing
	fails []string                 // the cases that must see it
}

func mutants() []mutant {
	return slices.Concat(publishMutants(), groupMutants(), deliveryMutants(), settleMutants(), floorMutants(), letterMutants(), listMutants(),
		crashMutants(), storeMutants())
}

func publishMutants() []mutant {
	return []mutant{
		{name: "drops when full", spoil: dropsWhenFull, fails: []string{"Room/full refuses and drops nothing"}},
		{name: "waits when full", spoil: waitsWhenFull, fails: []string{
			"Room/full refuses and drops nothing", "Room/full names the group that holds most",
		}},
		{name: "names no group", spoil: namesNoGroup, fails: []string{"Room/full names the group that holds most"}},
		{name: "never frees room", spoil: neverFreesRoom, fails: []string{"Room/settled events take none"}},
		{name: "remembers what it refused", spoil: remembersRefused, fails: []string{
			"Dedupe/refused for want of room is not published",
		}},
		{name: "dedupes nothing", spoil: dedupesNothing, fails: []string{
			"Dedupe/published twice is stored once", "Dedupe/twice at once", "Dedupe/again after it was settled",
			"Dedupe/from another process", "Publish/with its answer lost", "Crash/keeps the dedupe window",
		}},
		{name: "dedupes across topics", spoil: dedupesBy(func(_ bus.Topic, e event.Event) string {
			return e.ID() + e.Source()
		}), fails: []string{"Dedupe/another identity"}},
		{name: "dedupes by id alone", spoil: dedupesBy(func(t bus.Topic, e event.Event) string {
			return t.String() + e.ID()
		}), fails: []string{"Dedupe/another identity"}},
		{name: "dedupes what is published back", spoil: dedupesBy(func(t bus.Topic, e event.Event) string {
			return t.String() + e.ID() + e.Source()
		}), fails: []string{"Dedupe/another identity", "Dedupe/published back for another action"}},
		{name: "dedupes what is published back for another action", spoil: dedupesBy(func(t bus.Topic, e event.Event) string {
			id := bus.IdentityOf(t, e)
			id.Firing = ""
			return fmt.Sprint(id)
		}), fails: []string{"Dedupe/published back for another action"}},
		{name: "dedupes for ever", spoil: dedupesBy(func(t bus.Topic, e event.Event) string {
			return fmt.Sprint(bus.IdentityOf(t, e))
		}), fails: []string{"Dedupe/forgotten after the window"}},
		{name: "loses what is published at once", spoil: losesConcurrent, fails: []string{"Publish/many at once"}},
		{name: "refuses what nobody wants", spoil: refusesUnwanted, fails: []string{"Publish/no group wants it"}},
		{name: "changes what is published", spoil: changesPublished, fails: []string{"Publish/changes nothing"}},
		{name: "takes any size", spoil: sound, hooks: func(h *bustest.Harness) { h.TooLarge = 1000 }, fails: []string{"Publish/too large"}},
		{name: "has no room for the story of a failure", spoil: noLetterRoom, fails: []string{"Publish/too large"}},
	}
}

func dropsWhenFull(f *faulty) {
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		err := f.conn.Publish(ctx, t, e)
		if errors.Is(err, bus.ErrFull) && e.ID() != "fill30" {
			return nil
		}
		return err
	}
}

func waitsWhenFull(f *faulty) {
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		for {
			err := f.conn.Publish(ctx, t, e)
			if !errors.Is(err, bus.ErrFull) {
				return err
			}
			time.Sleep(time.Second)
		}
	}
}

func namesNoGroup(f *faulty) {
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		if err := f.conn.Publish(ctx, t, e); errors.Is(err, bus.ErrFull) {
			return bus.ErrFull
		} else if err != nil {
			return err
		}
		return nil
	}
}

func neverFreesRoom(f *faulty) {
	var n atomic.Int64
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		if n.Add(1) > 20 {
			return bus.ErrFull
		}
		return f.conn.Publish(ctx, t, e)
	}
}

func remembersRefused(f *faulty) {
	var seen sync.Map
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		if _, again := seen.LoadOrStore(e.ID(), true); again {
			return nil
		}
		return f.conn.Publish(ctx, t, e)
	}
}

func dedupesNothing(f *faulty) {
	var n atomic.Int64
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		e = e.Clone()
		e.SetExtension(bus.RedriveExtension, int32(n.Add(1)+time.Now().UnixNano()%1e9))
		time.Sleep(time.Nanosecond)
		return f.conn.Publish(ctx, t, e)
	}
}

func dedupesBy(key func(t bus.Topic, e event.Event) string) func(f *faulty) {
	return func(f *faulty) {
		var seen sync.Map
		f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
			if _, again := seen.LoadOrStore(key(t, e), true); again {
				return nil
			}
			return f.conn.Publish(ctx, t, e)
		}
	}
}

func losesConcurrent(f *faulty) {
	var n atomic.Int64
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		defer n.Add(-1)
		alone := n.Add(1) == 1
		time.Sleep(time.Nanosecond)
		if !alone {
			return nil
		}
		return f.conn.Publish(ctx, t, e)
	}
}

func refusesUnwanted(f *faulty) {
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		if list, err := f.conn.Groups(ctx); err != nil || len(list) == 0 {
			return errors.New("no group")
		}
		return f.conn.Publish(ctx, t, e)
	}
}

func changesPublished(f *faulty) {
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		e.SetExtension("stamped", t.String())
		return f.conn.Publish(ctx, t, e)
	}
}

func noLetterRoom(f *faulty) {
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		if len(e.Data()) > 1<<20-1<<10 {
			return bus.ErrRejected
		}
		return f.conn.Publish(ctx, t, e)
	}
}

func groupMutants() []mutant {
	return []mutant{
		{name: "publishes to one group only", spoil: oneGroupOnly, fails: []string{"Publish/every group gets it", "Pos/the same for all groups"}},
		{name: "forgets groups without members", spoil: forgetsMemberless, fails: []string{
			"Publish/a group with no member running keeps it", "Group/begins with its first Subscribe", "Close/the group remains",
			"Topics/kept while no member runs",
		}},
		{name: "gives each member a copy", spoil: copies, fails: []string{"Group/members share its events"}},
		{name: "gives away what is held", spoil: givesHeldAway, fails: []string{"Group/a held event is given to no other"}},
		{name: "keeps what a dead member held", spoil: sound, hooks: func(h *bustest.Harness) {
			h.Kill = func(testing.TB, bus.Bus) {}
		}, fails: []string{"Group/a dead member's events are handed on"}},
		{name: "reads group names", spoil: renames(tokens), fails: []string{"Group/names of any characters"}},
		{name: "ends with the context of Subscribe", spoil: endsWithContext, fails: []string{"Group/outlives the context of Subscribe"}},
		{name: "ignores InFlight", spoil: inFlight(func(int) int { return 1000 }), fails: []string{
			"InFlight/bounds what is held",
		}},
		{name: "buffers beyond InFlight", spoil: inFlightBuffer, fails: []string{"InFlight/bounds what is buffered"}},
		{name: "confuses topics", spoil: topics(func(t bus.Topic) bus.Topic { return bus.Topic{Event: t.String()} }), fails: []string{
			"Event/topics that look alike", "Event/topics of any name",
		}},
		{name: "folds topics", spoil: topics(func(t bus.Topic) bus.Topic {
			return bus.Topic{EventSource: strings.ToLower(t.EventSource), Event: t.Event}
		}), fails: []string{"Event/topics that look alike", "Event/topics of any name"}},
		{name: "drops what a member does not list", spoil: dropsUnlisted, fails: []string{
			"Topics/narrowed, with a backlog", "Topics/narrowed while a delivery is handed back", "Topics/replaced, with a backlog",
			"Topics/rolling deploy", "Topics/widened by a second member",
		}},
		{name: "keeps the topics of the first Subscribe", spoil: firstTopics, fails: []string{
			"Topics/widened, with a backlog", "Topics/widened by a second member", "Topics/replaced, with a backlog", "Topics/rolling deploy",
		}},
		{name: "gives no topic up", spoil: allTopics, fails: []string{"Topics/given up in the end"}},
		{name: "keeps the topics of the last Subscribe", spoil: lastTopics, fails: []string{"Topics/kept while another member lists it"}},
	}
}

// oneGroupOnly loses the events of all groups but the first.
func oneGroupOnly(f *faulty) {
	var first atomic.Pointer[string]
	wrap(f, func(g bus.Group, d bus.Delivery) (bus.Delivery, bool) {
		first.CompareAndSwap(nil, &g.Name)
		return d, *first.Load() == g.Name
	})
}

// wrap makes Receive change its deliveries, and pass over, settled, those for
// which change returns false.
func wrap(f *faulty, change func(g bus.Group, d bus.Delivery) (bus.Delivery, bool)) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		s, err := f.conn.Subscribe(ctx, g)
		if err != nil {
			return nil, err
		}
		return &sub{s, s.Close, func(ctx context.Context) (bus.Delivery, error) {
			for {
				d, err := s.Receive(ctx)
				if err != nil {
					return d, err
				}
				if changed, ok := change(g, d); ok {
					return changed, nil
				}
				if err := d.Ack(ctx); err != nil {
					return d, err
				}
			}
		}}, nil
	}
}

// sub is a subscription that does some things otherwise.
type sub struct {
	bus.Subscription
	close   func(ctx context.Context) error
	receive func(ctx context.Context) (bus.Delivery, error)
}

// floored is a subscription that says another floor.
type floored struct {
	bus.Subscription
	floor func(ctx context.Context) (bus.Floor, error)
}

func (s *floored) Floor(ctx context.Context) (bus.Floor, error) { return s.floor(ctx) }

func (s *sub) Close(ctx context.Context) error                   { return s.close(ctx) }
func (s *sub) Receive(ctx context.Context) (bus.Delivery, error) { return s.receive(ctx) }

// closing makes Close do something else.
func closing(f *faulty, do func(ctx context.Context, g bus.Group, s bus.Subscription) error) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		s, err := f.conn.Subscribe(ctx, g)
		if err != nil {
			return nil, err
		}
		return &sub{s, func(ctx context.Context) error { return do(ctx, g, s) }, s.Receive}, nil
	}
}

// joining changes the group that is subscribed to.
func joining(f *faulty, change func(g bus.Group) bus.Group) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		return f.conn.Subscribe(ctx, change(g))
	}
}

func forgetsMemberless(f *faulty) {
	closing(f, func(ctx context.Context, g bus.Group, s bus.Subscription) error {
		return errors.Join(s.Close(ctx), f.conn.Forget(ctx, g.Name))
	})
}

func copies(f *faulty) {
	joining(f, func(g bus.Group) bus.Group {
		g.Name = fmt.Sprintf("%s %p", g.Name, f)
		return g
	})
}

// givesHeldAway hands a delivery back after three seconds, as a bus does whose
// members give no sign of life.
func givesHeldAway(f *faulty) {
	wrap(f, func(_ bus.Group, d bus.Delivery) (bus.Delivery, bool) {
		time.AfterFunc(3*time.Second, func() { _ = d.Retry(context.Background(), 0) })
		return d, true
	})
}

// tokens makes of a name what many brokers allow as one.
func tokens(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

func renames(rename func(string) string) func(f *faulty) {
	return func(f *faulty) {
		joining(f, func(g bus.Group) bus.Group {
			g.Name = rename(g.Name)
			return g
		})
	}
}

func endsWithContext(f *faulty) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		s, err := f.conn.Subscribe(ctx, g)
		if err == nil && g.InFlight == 1 {
			context.AfterFunc(ctx, func() { _ = s.Close(context.WithoutCancel(ctx)) })
		}
		return s, err
	}
}

func inFlight(change func(int) int) func(f *faulty) {
	return func(f *faulty) {
		joining(f, func(g bus.Group) bus.Group {
			g.InFlight = change(g.InFlight)
			return g
		})
	}
}

// inFlightBuffer receives ten deliveries more than Receive is called for.
func inFlightBuffer(f *faulty) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		g.InFlight += 10
		s, err := f.conn.Subscribe(ctx, g)
		if err != nil {
			return nil, err
		}
		buffer := make(chan bus.Delivery, g.InFlight)
		run, stop := context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			for {
				d, err := s.Receive(run)
				if err != nil {
					return
				}
				buffer <- d
			}
		}()
		return &sub{s, func(ctx context.Context) error {
			stop()
			return s.Close(ctx)
		}, func(ctx context.Context) (bus.Delivery, error) {
			select {
			case d := <-buffer:
				return d, nil
			case <-ctx.Done():
				return bus.Delivery{}, ctx.Err()
			}
		}}, nil
	}
}

// topics publishes to another topic than the one asked for.
func topics(change func(t bus.Topic) bus.Topic) func(f *faulty) {
	return func(f *faulty) {
		f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error { return f.conn.Publish(ctx, change(t), e) }
		joining(f, func(g bus.Group) bus.Group {
			g.Topics = slices.Clone(g.Topics)
			for i, t := range g.Topics {
				g.Topics[i] = change(t)
			}
			return g
		})
	}
}

func dropsUnlisted(f *faulty) {
	wrap(f, func(g bus.Group, d bus.Delivery) (bus.Delivery, bool) { return d, slices.Contains(g.Topics, d.Topic) })
}

// known returns the topics of the group as it is.
func (f *faulty) known(name string) []bus.Topic {
	list, err := f.conn.Groups(context.Background())
	if err != nil {
		return nil
	}
	for _, g := range list {
		if g.Name == name {
			return g.Topics
		}
	}
	return nil
}

func firstTopics(f *faulty) {
	joining(f, func(g bus.Group) bus.Group {
		if known := f.known(g.Name); known != nil {
			g.Topics = known
		}
		return g
	})
}

func allTopics(f *faulty) {
	joining(f, func(g bus.Group) bus.Group {
		g.Topics = append(slices.Clone(g.Topics), f.known(g.Name)...)
		return g
	})
}

// lastTopics drops what is published to topics that the last Subscribe of the
// group did not list.
func lastTopics(f *faulty) {
	last := &f.conn.server.listed
	joining(f, func(g bus.Group) bus.Group {
		last.Store(&g.Topics)
		return g
	})
	f.publish = func(ctx context.Context, t bus.Topic, e event.Event) error {
		if listed := last.Load(); listed != nil && !slices.Contains(*listed, t) {
			return nil
		}
		return f.conn.Publish(ctx, t, e)
	}
}

func crashMutants() []mutant {
	fresh := func(h *bustest.Harness) {
		h.Crash = func(t testing.TB, _ bus.Bus) bus.Bus { return h.Open(t) }
	}
	return []mutant{
		{name: "survives nothing", spoil: sound, hooks: fresh, fails: []string{
			"Crash/keeps what was stored", "Crash/keeps the groups and their topics", "Crash/hands on what was held and buffered",
			"Crash/keeps what was handed back", "Crash/keeps positions", "Crash/keeps dead letters", "Store/survives a crash",
		}},
		{name: "numbers anew", spoil: numbersAnew, fails: []string{"Crash/keeps positions"}},
		{name: "fails while the server is away", spoil: failsWhileAway, fails: []string{"Receive/waits while the connection is away"}},
	}
}

// numbersAnew gives positions that depend on the connection.
func numbersAnew(f *faulty) {
	begun := f.conn.server.connections.Add(1)
	wrap(f, func(_ bus.Group, d bus.Delivery) (bus.Delivery, bool) {
		d.Pos.Seq += 1_000_000 - 1000*begun
		return d, true
	})
}

func failsWhileAway(f *faulty) {
	f.subscribe = func(ctx context.Context, g bus.Group) (bus.Subscription, error) {
		s, err := f.conn.Subscribe(ctx, g)
		if err != nil {
			return nil, err
		}
		return &sub{s, s.Close, func(ctx context.Context) (bus.Delivery, error) {
			if f.away.Load() {
				return bus.Delivery{}, errAway
			}
			return s.Receive(ctx)
		}}, nil
	}
}
