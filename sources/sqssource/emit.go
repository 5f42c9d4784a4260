package sqssource

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
)

// How long a message waits before it is emitted again.
const (
	againMin = 100 * time.Millisecond
	againMax = 2 * time.Second
)

// begin emits messages, each on its own, those of one group one after the
// other. It returns false when it is too late for that.
func (r *run) begin(ctx context.Context, messages []*held) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing || ctx.Err() != nil {
		return false
	}
	for _, line := range r.lines(messages) {
		r.emitting.Go(func() { r.emitLine(ctx, line) })
	}
	return true
}

// lines returns messages by group where the queue keeps an order, in theirs.
func (r *run) lines(messages []*held) [][]*held {
	var lines [][]*held
	of := map[string]int{}
	for _, m := range messages {
		group := m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
		if i, ok := of[group]; ok && r.fifo() {
			lines[i] = append(lines[i], m)
			continue
		}
		of[group] = len(lines)
		lines = append(lines, []*held{m})
	}
	return lines
}

// emitLine emits messages in order. After one that fails, the later ones are
// handed back.
func (r *run) emitLine(ctx context.Context, line []*held) {
	for i, m := range line {
		end := lost // one that waited for others may be, before its turn
		if i == 0 || !r.holds.isLost(m) {
			end = r.emit(ctx, m)
		}
		switch end {
		case stored:
			r.holds.store(m)
			continue
		case unfinished:
			return // all that is left is handed back when the rest is deleted
		case refused:
			r.pollForOne(r.oneByOne())
		case lost:
			r.account.lost.Add(1)
			r.out.Logger.Warn("a message became visible to others before it was stored", "message", aws.ToString(m.MessageId))
		}
		r.holds.forget(m)
		r.handBack(ctx, line[i+1:])
		return
	}
}

// ending is how the emits of a message end.
type ending int

const (
	stored     ending = iota
	refused           // it will never be taken
	lost              // others may have it
	unfinished        // the pipeline ends
)

// emit emits a message until it is taken.
func (r *run) emit(ctx context.Context, m *held) ending {
	e, drop, err := r.shape.event(m.Message) //nolint:contextcheck // the trace is the message's own
	if drop {
		r.account.dropped.Add(1)
		return stored
	}
	for failures := 1; ; failures++ {
		if ctx.Err() != nil {
			return unfinished
		}
		if err == nil {
			err = r.out.Emit(ctx, e)
		}
		switch {
		case err == nil:
			return stored
		case hearken.IsPermanent(err):
			r.refuse(ctx, m, err)
			return refused
		}
		if failures == 1 {
			defer r.holds.full(m, false)
		}
		r.holds.full(m, errors.Is(err, bus.ErrFull))
		select {
		case <-time.After(backoff(failures, againMin, againMax)):
		case <-r.holds.losing(m):
			return lost
		case <-ctx.Done():
		}
		err = nil
	}
}

// refuse says that a message will never be taken. It is left to become visible
// again, and to the queue's redrive policy.
func (r *run) refuse(ctx context.Context, m *held, err error) {
	r.account.refused.Add(1)
	log := r.out.Logger.With("message", aws.ToString(m.MessageId), "receive_count", m.Attributes["ApproximateReceiveCount"], "error", err)
	switch r.policy.get(ctx, r) {
	case policyNone:
		log.Warn("a message will never be taken, and comes again until it is as old as the queue keeps messages: the queue has no redrive policy, set one")
	default:
		log.Warn("a message will never be taken, and is left to the queue's redrive policy")
	}
}

// redrive is what is known of the queue's redrive policy. It is asked for when it
// matters, so that most sources need not have the right to.
type redrive struct {
	turn  chan struct{} // one place: who has it asks, and has the rest
	known policy
	until time.Time // when to ask again
}

// How long it is not asked for again, when it is known and when there was no
// answer: each message that is refused would wait for one.
const (
	policyLife  = 5 * time.Minute
	unknownLife = 30 * time.Second
)

type policy int

const (
	policyUnknown policy = iota
	policyNone
	policySome
)

func (p *redrive) get(ctx context.Context, r *run) policy {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return policyUnknown
	}
	if time.Now().Before(p.until) {
		return p.known
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout) // the end need not wait for what is only logged
	defer cancel()
	const name = types.QueueAttributeNameRedrivePolicy
	out, err := r.Client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &r.url, AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		r.out.Logger.Warn("whether the queue has a redrive policy is not known", "error", err)
		p.known, p.until = policyUnknown, time.Now().Add(unknownLife)
		return policyUnknown
	}
	p.known, p.until = policyNone, time.Now().Add(policyLife)
	if text := out.Attributes[string(name)]; json.Valid([]byte(text)) && text != "{}" {
		p.known = policySome
	}
	return p.known
}
