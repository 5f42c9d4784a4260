// Package bus is the contract between Hearken's engine and what carries its
// events: a [Bus] stores each published event for every [Group] that wants its
// [Topic] and hands it to one member of each group until that member settles
// it. Applications choose a bus and otherwise meet this package only through
// its errors; whoever writes a bus reads it to the end and proves the result
// with package bustest, whose cases quote the sentences below.
//
// A bus knows nothing of conditions, filters or joins. What it must get right
// is small: store before it says stored, refuse instead of dropping, give back
// what was not settled, and keep a group's place.
//
// All methods of all interfaces here may be called concurrently.
package bus

import (
	"context"
	"errors"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// The errors that the engine tells apart. A bus wraps them with what it knows;
// any other error means "perhaps, try again".
var (
	// ErrFull says that there is no room for the event now. The text names the
	// group that holds most, since a retired group fills a bus for everyone.
	ErrFull = errors.New("bus: full")
	// ErrRejected says that this event, or this value of a store, will never be
	// taken: it is too large, or no event that the bus could deliver.
	ErrRejected = errors.New("bus: rejected")
	// ErrClosed says that the bus or the subscription is closed, or that the
	// group was forgotten.
	ErrClosed = errors.New("bus: closed")
)

// Topic is where an event is published: an event source and one of its events.
// Both names may hold any characters, and two topics are one only if both
// names are equal.
type Topic struct {
	EventSource string
	Event       string
}

// DeadLetterSource is the event source of dead-letter topics. No event source
// of an application may bear it.
const DeadLetterSource = "$deadletters"

// DeadLetterRoom is by how many bytes an event on a dead-letter topic may be
// larger than the largest event that the bus takes elsewhere: a dead letter
// is the event that failed and the story of its failure.
const DeadLetterRoom = 8 << 10

// IsDeadLetters reports whether t holds dead letters. Their place is bounded by
// age and size and never refuses: the oldest is dropped, and counted.
func (t Topic) IsDeadLetters() bool { return t.EventSource == DeadLetterSource }

// String returns "source/event".
func (t Topic) String() string { return t.EventSource + "/" + t.Event }

// Bus carries events from publishers to groups.
type Bus interface {
	// Publish returns nil once e is stored for every group of t that exists,
	// whether or not a member of it runs; an event that no group wants is
	// dropped. It never waits for room: it returns ErrFull at once, and what
	// every group has settled takes no room. An event too large to be ever
	// stored is ErrRejected. On a dead-letter topic Publish never returns
	// ErrFull.
	//
	// An event with the Identity of one published within the bus's dedupe
	// window counts as stored and is not stored again.
	//
	// With any other error, ctx's included, the event may have been stored:
	// publishing it again is safe within the dedupe window. Publish keeps e and
	// its data, which nobody may change from then on; it does not change them.
	Publish(ctx context.Context, t Topic, e event.Event) error

	// Subscribe joins the group named g.Name, which begins to exist with its
	// first Subscribe and then gets every event published to its topics, while
	// no member runs too. On a dead-letter topic a new group begins with the
	// oldest letter that is kept.
	//
	// A group keeps its place when its members change their topics: a topic
	// that is new to the group is added; one that a member no longer lists
	// keeps its backlog, and is given up only when none is left and no member
	// lists it. So the members of a rolling deploy may list different topics,
	// and any of them may receive an event of any of the group's topics.
	//
	// A group without a name, a topic or a place in flight is an error.
	//
	// ctx governs the call only, not the life of the subscription.
	Subscribe(ctx context.Context, g Group) (Subscription, error)
}

// Group is one durable place on the bus. Its members, the subscriptions of one
// name in any number of processes, share its events: each event goes to one of
// them at a time.
type Group struct {
	// Name identifies the group on the bus. It may hold any characters and is
	// not empty.
	Name string
	// Topics are what this member wants, at least one; ordinary and dead-letter
	// topics may be mixed.
	Topics []Topic
	// InFlight bounds the deliveries that this member holds unsettled,
	// those buffered for it included; at least 1.
	InFlight int
}

// Subscription is one member of a group.
type Subscription interface {
	// Receive waits for the next delivery. While InFlight deliveries are held,
	// it waits for one to be settled. It returns ctx's error when ctx ends
	// first, losing nothing, and ErrClosed once the subscription is closed or
	// the group is forgotten; after any other error the caller may call again.
	// A connection that is away is waited for, not an error.
	//
	// Deliveries come roughly in the order of publication. An event may be
	// delivered again at any time, even after it was settled, with the same
	// Pos; as long as a member lives and holds a delivery, however long, it is
	// not given to another.
	Receive(ctx context.Context) (Delivery, error)

	// Floor returns up to where the group has settled everything that is its. An
	// event that is delivered and not settled, buffered, handed back, delayed or
	// not yet delivered holds it back, whichever member has it and in whatever
	// process. That begins when the event's Publish returns nil, and no event
	// that is stored later comes below a floor that was returned. What is settled
	// lets go of it within seconds.
	//
	// A settled event may be delivered again below the floor. The floor itself
	// may go back: with the bus's clock, when the group begins with a dead-letter
	// topic whose letters are older, and after a crash of the bus, which may
	// forget settlements that it had confirmed. So whoever forgets something
	// because the floor has passed it leaves a margin.
	//
	// Floor asks the bus, at a cost that no backlog raises much; once a minute is
	// what it is made for. It returns ErrClosed once the subscription is closed
	// or the group is forgotten.
	Floor(ctx context.Context) (Floor, error)

	// Close leaves the group and hands back what is held or buffered, at once,
	// to the other members or to the next one. The group and its place remain.
	// A member that dies without Close has its deliveries handed on within
	// seconds. Closing again does nothing.
	Close(ctx context.Context) error
}

// Floor is up to where a group has settled everything. A dead letter that was
// dropped counts as settled.
type Floor struct {
	// Time is by the bus's clock: every event of the group with an earlier Stored
	// is settled. When nothing is unsettled it is the present, or as long ago as
	// an event can be on its way into the bus. It is never ahead of the present.
	Time time.Time
	// Logs holds, by the Pos.Log of each log that has topics of the group, the
	// position up to which, itself included, every event of the group is settled.
	// When nothing in it is unsettled it is the last position of the log, 0 if
	// there is none.
	Logs map[string]uint64
}

// Delivery is an event on its way through a group.
type Delivery struct {
	// Topic is where the event was published.
	Topic Topic
	// Event is the event as published. It is shared: nobody changes it.
	Event event.Event
	// Pos is the event's place on the bus, the same for all groups and at each
	// redelivery.
	Pos Pos
	// Stored is when the bus stored the event, by the bus's clock, the same at
	// each redelivery.
	Stored time.Time
	// Attempt counts the deliveries of this event to this group, from 1.
	// Those that were handed back count too.
	Attempt int
	// Err is not nil when what is stored is not a valid event. Event then has
	// type UndecodableType and the stored bytes as its data.
	Err error

	Settler
}

// UndecodableType is the type of the event that stands in for a stored message
// that is no valid event.
const UndecodableType = "hearken.undecodable"

// Settler ends a delivery. A delivery is settled once; settling it again, or
// another delivery of the same position, does nothing. After the subscription
// is closed both methods return ErrClosed: the delivery has been handed back.
type Settler interface {
	// Ack says that the group is done with the event. It is advice: a bus may
	// deliver the event again all the same, for instance after a crash.
	Ack(ctx context.Context) error
	// Retry hands the event back, to be delivered to any member not before the
	// given time has passed, with a higher Attempt. The event takes no place
	// in flight meanwhile.
	Retry(ctx context.Context, after time.Duration) error
}

// Pos is the place of an event in a log. Positions of one log are ordered by
// Seq; those of different logs are not comparable. A log that is emptied and
// begun anew has another name.
type Pos struct {
	Log string
	Seq uint64
}

// Groups is implemented by a bus whose groups can be listed and forgotten.
// A group that nobody runs any more keeps its backlog and in time fills the
// bus for everyone.
type Groups interface {
	// Groups lists all groups of the bus, ordered by name.
	Groups(ctx context.Context) ([]GroupInfo, error)
	// Forget removes a group and its backlog. Its members' Receive returns
	// ErrClosed. Forgetting a group that does not exist does nothing.
	Forget(ctx context.Context, name string) error
}

// GroupInfo is what a bus knows of a group.
type GroupInfo struct {
	Name string
	// Topics are all topics of the group, ordered, those that only a backlog
	// keeps included.
	Topics []Topic
	// Backlog counts the events stored for the group and not settled.
	Backlog int
	// LastActive is when the group last received or settled an event; zero when
	// it never did, or the bus does not know.
	LastActive time.Time
}

// Deduper is implemented by a bus that processes share, and that recognises an
// event which one of them published when another publishes it: there replicas of
// one source make one event. A bus within a process is not one of these.
type Deduper interface {
	// DedupeWindow returns for how long an event is recognised.
	DedupeWindow() time.Duration
}

// DeadLetterCounter is implemented by a bus that counts what its place for dead
// letters holds and has dropped.
type DeadLetterCounter interface {
	DeadLetters(ctx context.Context) (DeadLetterInfo, error)
}

// DeadLetterInfo counts dead letters.
type DeadLetterInfo struct {
	Kept    uint64 // are stored now
	Dropped uint64 // had to go, by age or for room
}
