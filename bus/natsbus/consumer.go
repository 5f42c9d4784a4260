package natsbus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// errForgotten says that a consumer which a member relies on is no more.
var errForgotten = errors.New("natsbus: the group was forgotten")

// place is a group's place in one of the two streams: a durable consumer that
// all members share.
type place struct {
	b           *Bus
	id          string // of the group, and name of the consumer
	group       string
	deadLetters bool
	want        []string  // the subjects that this member lists, sorted
	created     time.Time // tells this place from one made after a Forget; join's
}

func (p *place) stream() jetstream.Stream { return p.b.streamOf(p.deadLetters) }
func (p *place) prefix() string           { return p.b.subjects.prefix(p.deadLetters) }

// read returns what the group takes from the stream, and nil when it has no
// place there.
func (p *place) read(ctx context.Context) (*jetstream.ConsumerInfo, topicSet, error) {
	c, err := p.stream().Consumer(ctx, p.id)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("natsbus: consumer of group %q: %w", p.group, err)
	}
	info := c.CachedInfo()
	if owner := info.Config.Metadata[metaGroup]; owner != token(p.group) {
		return nil, nil, fmt.Errorf("natsbus: consumer %q is not that of group %q", p.id, p.group)
	}
	topics, err := decodeTopics(p.prefix(), info.Config.Metadata[metaTopics])
	return info, topics, err
}

// How a place may be changed beside adding what a member wants.
type change uint8

const (
	mayCreate change = 1 << iota // else a place that is gone is errForgotten
	mayNarrow                    // what nobody lists and nothing is left of is given up
)

// join makes the place or changes it, so that it takes what this member wants.
// The caller holds the group's lock. It returns nil topics when the group has no
// place in this stream.
func (p *place) join(ctx context.Context, may change) (topicSet, error) {
	info, topics, err := p.read(ctx)
	if err != nil {
		return nil, err
	}
	if info == nil {
		if len(p.want) == 0 {
			return nil, nil //nolint:nilnil // no place, and none wanted
		}
		if may&mayCreate == 0 {
			return nil, errForgotten
		}
		return p.create(ctx)
	}
	p.created = info.Created
	wider := topics.missing(p.want)
	var stale []string
	if may&mayNarrow != 0 {
		if stale, err = p.stale(ctx, info, topics); err != nil {
			return nil, err
		}
	}
	if len(wider)+len(stale) == 0 && info.Config.AckWait == p.b.cfg.AckWait {
		return topics, nil
	}
	if len(wider) == 0 && len(stale) == len(topics) {
		return nil, p.leave(ctx)
	}
	return p.update(ctx, info.Config, topics, wider, stale)
}

func (p *place) create(ctx context.Context) (topicSet, error) {
	topics := topicSet{}
	for _, s := range p.want {
		topics[s] = 0
	}
	c := jetstream.ConsumerConfig{
		Durable:    p.id,
		AckPolicy:  jetstream.AckExplicitPolicy,
		AckWait:    p.b.cfg.AckWait,
		MaxDeliver: -1,
		// A delivery handed back for later counts as pending, so that any bound
		// could be filled by retries alone and stop the group. What bounds the
		// deliveries is each member's InFlight.
		MaxAckPending: -1,
		MaxWaiting:    4096,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		Metadata:      map[string]string{metaGroup: token(p.group)},
	}
	if !p.deadLetters {
		// Where it begins is in its configuration then, which floor reads: in a
		// cluster the server does not count what came before as settled.
		since, err := p.lastSeq(ctx)
		if err != nil {
			return nil, err
		}
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, since+1
	}
	if err := p.filter(&c, topics); err != nil {
		return nil, err
	}
	made, err := p.stream().CreateConsumer(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("natsbus: create the consumer of group %q: %w", p.group, err)
	}
	p.created = made.CachedInfo().Created
	return topics, nil
}

// filter sets what c takes.
func (p *place) filter(c *jetstream.ConsumerConfig, topics topicSet) error {
	text, err := topics.encode(p.prefix())
	if err != nil {
		return err
	}
	c.Metadata[metaTopics] = text
	c.FilterSubject, c.FilterSubjects = "", topics.filters(p.prefix())
	return nil
}

func (p *place) update(ctx context.Context, c jetstream.ConsumerConfig, old topicSet, wider, stale []string) (topicSet, error) {
	topics := maps.Clone(old)
	if len(wider) > 0 {
		since, err := p.lastSeq(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range wider {
			topics[s] = since
		}
	}
	for _, s := range stale {
		delete(topics, s)
	}
	c.AckWait = p.b.cfg.AckWait
	c.Metadata = maps.Clone(c.Metadata)
	maps.DeleteFunc(c.Metadata, func(k, _ string) bool { return strings.HasPrefix(k, "_nats.") })
	if err := p.filter(&c, topics); err != nil {
		return nil, err
	}
	if _, err := p.stream().UpdateConsumer(ctx, c); err != nil {
		return nil, fmt.Errorf("natsbus: change the consumer of group %q: %w", p.group, err)
	}
	p.b.cfg.Logger.InfoContext(ctx, "group changed", "group", p.group, "added", wider, "given_up", stale)
	return topics, nil
}

// lastSeq returns where new topics of the group begin. Letters of a topic that
// is new to a group may be older.
func (p *place) lastSeq(ctx context.Context) (uint64, error) {
	if p.deadLetters {
		return 0, nil
	}
	info, err := p.stream().Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("natsbus: %w", err)
	}
	return info.State.LastSeq, nil
}

// leave gives up the whole place.
func (p *place) leave(ctx context.Context) error {
	if err := p.stream().DeleteConsumer(ctx, p.id); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("natsbus: delete the consumer of group %q: %w", p.group, err)
	}
	return nil
}

// stale returns the subjects that no member lists and that nothing is left of.
func (p *place) stale(ctx context.Context, info *jetstream.ConsumerInfo, topics topicSet) ([]string, error) {
	unwanted := p.unwanted(topics)
	if len(unwanted) == 0 {
		return nil, nil
	}
	listed, err := p.b.listed(ctx, p.id)
	if err != nil {
		return nil, err
	}
	var stale []string
	for _, s := range unwanted {
		if listed[s] {
			continue
		}
		settled, err := p.settled(ctx, info, topics, s)
		if err != nil {
			return nil, err
		}
		if settled {
			stale = append(stale, s)
		}
	}
	return stale, nil
}

// unwanted returns those of topics that this member does not list.
func (p *place) unwanted(topics topicSet) []string {
	var u []string
	for s := range topics {
		if _, ok := slices.BinarySearch(p.want, s); !ok {
			u = append(u, s)
		}
	}
	return u
}

// settled reports whether the group has no backlog of subject. The stream is
// asked for it: the consumer's own count of what is pending comes after what was
// stored, and under load late enough to have a backlog taken for none.
func (p *place) settled(ctx context.Context, info *jetstream.ConsumerInfo, topics topicSet, subject string) (bool, error) {
	last, err := p.stream().GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("natsbus: %w", err)
	}
	return last.Sequence <= max(info.AckFloor.Stream, topics[subject]), nil
}

// consumerState is what the server says of a group's place in a stream.
type consumerState struct {
	group      string
	topics     topicSet
	backlog    int
	lastActive time.Time
}

// consumers lists the groups' places in a stream. Consumers that are not the
// bus's are left out.
func (b *Bus) consumers(ctx context.Context, st jetstream.Stream) ([]consumerState, error) {
	prefix := b.subjects.prefix(st == b.letters)
	var all []consumerState
	list := st.ListConsumers(ctx)
	for info := range list.Info() {
		owner, ok := info.Config.Metadata[metaGroup]
		if !ok {
			continue
		}
		group, err := untoken(owner)
		if err != nil {
			return nil, err
		}
		topics, err := decodeTopics(prefix, info.Config.Metadata[metaTopics])
		if err != nil {
			return nil, err
		}
		all = append(all, consumerState{group, topics, int(info.NumPending) + info.NumAckPending, lastActive(info)})
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("natsbus: list the groups: %w", err)
	}
	return all, nil
}

func lastActive(info *jetstream.ConsumerInfo) time.Time {
	var last time.Time
	for _, t := range []*time.Time{info.Delivered.Last, info.AckFloor.Last} {
		if t != nil && t.After(last) {
			last = *t
		}
	}
	return last
}
