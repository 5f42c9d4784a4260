package sqssource

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hearken-go/hearken"
)

// What a Source waits for, at most: a call beside what a poll waits, and between
// calls that failed.
const (
	callTimeout = 10 * time.Second
	pauseMin    = 500 * time.Millisecond
	pauseMax    = 30 * time.Second
)

// beatEach is for how many messages one call after the other is enough to keep
// them hidden, though each takes some 100 ms.
const beatEach = 500

// run is a Source that runs.
type run struct {
	*Source
	out        hearken.Output
	shape      shape
	url        string
	visibility time.Duration
	wait       time.Duration
	pollers    int
	holds      *holds
	policy     redrive

	// single is until when polls of a FIFO queue ask for one message, in
	// nanoseconds of Unix time.
	single atomic.Int64

	mu       sync.Mutex
	closing  bool // no more emits begin
	emitting sync.WaitGroup
}

func newRun(s *Source, out hearken.Output) *run {
	pollers := cmp.Or(s.Pollers, 2)
	visibility := cmp.Or(s.Visibility, 30*time.Second)
	wait := cmp.Or(s.Wait, 10*time.Second)
	if s.fifo() {
		wait = min(wait, max(visibility/3, time.Second))
	}
	return &run{
		Source: s, out: out, shape: newShape(s), pollers: pollers, visibility: visibility, wait: wait,
		holds:  newHolds(visibility, cmp.Or(s.Held, max(100, batchSize*pollers))),
		policy: redrive{turn: make(chan struct{}, 1)},
	}
}

var errNoURL = errors.New("the answer holds no URL of the queue")

// findQueue returns false when ctx ended before the queue was found.
func (r *run) findQueue(ctx context.Context) bool {
	if r.url = r.Queue; r.isURL() {
		return true
	}
	in := &sqs.GetQueueUrlInput{QueueName: &r.Queue}
	if r.Account != "" {
		in.QueueOwnerAWSAccountId = &r.Account
	}
	for failures := 1; ctx.Err() == nil; failures++ {
		err := r.calling(ctx, find, 0, func(ctx context.Context) error {
			out, err := r.Client.GetQueueUrl(ctx, in)
			if err != nil {
				return err
			}
			if r.url = aws.ToString(out.QueueUrl); r.url == "" {
				return errNoURL
			}
			return nil
		})
		if err == nil {
			return true
		}
		pause(ctx, failures)
	}
	return false
}

// calling makes a call, which goes on when ctx ends, and notes how it went.
func (r *run) calling(ctx context.Context, c call, beside time.Duration, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout+beside)
	defer cancel()
	err := do(ctx)
	if err != nil {
		r.account.failed(r.out.Logger, c, fmt.Errorf("queue %s: %w", r.where(), err))
	} else {
		r.account.succeeded(r.out.Logger, c)
	}
	return err
}

// where says which queue is meant: one by name is looked for in the client's region,
// and a wrong region looks like a queue that is not there.
func (r *run) where() string {
	if c, ok := r.Client.(*sqs.Client); ok && !r.isURL() {
		return r.Queue + " in " + c.Options().Region
	}
	return r.Queue
}

// work emits what the queue has until ctx ends, and then tidies up: what is
// stored is deleted first. The rest is handed back once the polls under way have
// come back, which would receive it again.
func (r *run) work(ctx context.Context) {
	attending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var polls, deletes, beats sync.WaitGroup
	for range 1 + r.holds.limit/beatEach {
		beats.Go(func() { r.keepHidden(attending) })
	}
	for range r.pollers {
		deletes.Go(func() { r.deleteStored(attending) })
		polls.Go(func() { r.poll(ctx) })
	}
	<-ctx.Done()
	r.close()
	r.emitting.Wait()
	r.holds.close()
	deletes.Wait()
	polls.Wait()
	r.handBack(ctx, r.holds.rest())
	stop()
	beats.Wait()
}

func (r *run) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing = true
}

// poll receives messages until ctx ends.
func (r *run) poll(ctx context.Context) {
	attempt := rand.Text()
	for failures := 1; ; {
		n := r.batch()
		if !r.reserve(ctx, n) {
			return
		}
		messages, err := r.receive(ctx, min(n, r.batch()), attempt)
		if !r.begin(ctx, r.holds.add(messages, n)) {
			return
		}
		if err != nil {
			pause(ctx, failures)
			failures++
			continue // the same attempt: a FIFO queue gives again what was lost on its way
		}
		attempt, failures = rand.Text(), 1
	}
}

// reserve takes places for a poll, when there are. While it waits for them no
// message is received again, and so the time of polls for one does not pass.
func (r *run) reserve(ctx context.Context, n int) bool {
	began := time.Now()
	if !r.holds.reserve(ctx, n) {
		return false
	}
	if left := r.single.Load() - began.UnixNano(); left > 0 {
		r.pollForOne(min(time.Duration(left), r.oneByOne()))
	}
	return true
}

// oneByOne is how long polls of a FIFO queue ask for one message after one was
// refused: until that has become visible and was received again, alone.
func (r *run) oneByOne() time.Duration { return 2 * r.visibility }

// pollForOne has polls of a FIFO queue ask for one message for a time.
func (r *run) pollForOne(during time.Duration) {
	until := time.Now().Add(during).UnixNano()
	for old := r.single.Load(); old < until && !r.single.CompareAndSwap(old, until); {
		old = r.single.Load()
	}
}

// batch returns how many messages the next poll asks for.
func (r *run) batch() int {
	if r.fifo() && time.Now().UnixNano() < r.single.Load() {
		return 1
	}
	return min(batchSize, r.holds.limit)
}

func (r *run) receive(ctx context.Context, n int, attempt string) ([]types.Message, error) {
	in := &sqs.ReceiveMessageInput{
		QueueUrl:            &r.url,
		MaxNumberOfMessages: int32(n), //nolint:gosec // at most 10
		WaitTimeSeconds:     int32(r.wait / time.Second),
		VisibilityTimeout:   int32(r.visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameSentTimestamp,
			types.MessageSystemAttributeNameApproximateReceiveCount,
			types.MessageSystemAttributeNameMessageGroupId,
			types.MessageSystemAttributeNameAWSTraceHeader,
		},
		MessageAttributeNames: []string{"All"},
	}
	if r.fifo() {
		in.ReceiveRequestAttemptId = &attempt
	}
	var messages []types.Message
	err := r.calling(ctx, receive, r.wait, func(ctx context.Context) error {
		out, err := r.Client.ReceiveMessage(ctx, in)
		if err == nil {
			messages = r.holdable(out.Messages)
		}
		return err
	})
	r.account.received.Add(uint64(len(messages)))
	return messages, err
}

// holdable returns those of messages that can be held, each once. A message
// without a receipt handle can be neither hidden nor deleted, and would have calls
// fail for those beside it; it comes again. Of one that is there twice the later
// handle is the one that holds.
func (r *run) holdable(messages []types.Message) []types.Message {
	all := make([]types.Message, 0, len(messages))
	for _, m := range messages {
		if aws.ToString(m.ReceiptHandle) == "" {
			r.out.Logger.Warn("a message came without a receipt handle, and is passed over", "message", aws.ToString(m.MessageId))
			continue
		}
		twice := func(other types.Message) bool {
			return m.MessageId != nil && *m.MessageId == aws.ToString(other.MessageId)
		}
		if i := slices.IndexFunc(all, twice); i >= 0 {
			all[i] = m
			continue
		}
		all = append(all, m)
	}
	return all
}

// keepHidden extends what is held until ctx ends.
func (r *run) keepHidden(ctx context.Context) {
	for ctx.Err() == nil {
		batch, at := r.holds.toExtend(time.Now())
		if len(batch) == 0 {
			if !r.holds.unextendedLeft() {
				r.account.moot(extend)
			}
			until(ctx, nil, at)
			continue
		}
		r.extend(ctx, batch)
	}
}

// extend makes one call for changes.
func (r *run) extend(ctx context.Context, batch []change) {
	asked := time.Now()
	failed, err := r.changeVisibility(ctx, batch)
	for i, c := range batch {
		entry, bad := failed[i]
		switch {
		case err == nil && !bad:
			r.holds.extended(c, asked)
		default:
			r.holds.unextended(c, err != nil || !isFinal(entry))
		}
	}
}

// changeVisibility returns which entries failed, by their index.
func (r *run) changeVisibility(ctx context.Context, batch []change) (failures, error) {
	in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &r.url}
	for i, c := range batch {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: entryID(i), ReceiptHandle: c.ReceiptHandle, VisibilityTimeout: int32(c.visibility / time.Second),
		})
	}
	var failed failures
	err := r.calling(ctx, extend, 0, func(ctx context.Context) error {
		out, err := r.Client.ChangeMessageVisibilityBatch(ctx, in)
		if err != nil {
			return err
		}
		failed = failuresOf(len(batch), out.Successful, func(e types.ChangeMessageVisibilityBatchResultEntry) *string { return e.Id }, out.Failed)
		return failed.err()
	})
	if failed != nil {
		err = nil // the call's
	}
	return failed, err
}

// handBack makes messages visible to others at once, in order. What fails twice
// comes back by itself, later.
func (r *run) handBack(ctx context.Context, messages []*held) {
	r.holds.release(messages)
	for batch := range slices.Chunk(messages, batchSize) {
		left := make([]change, len(batch))
		for i, m := range batch {
			left[i] = change{m, 0}
		}
		for range 2 {
			if left = r.notHandedBack(ctx, left); len(left) == 0 {
				break
			}
		}
		r.account.handedBack.Add(uint64(len(batch) - len(left)))
	}
}

// notHandedBack returns those of changes that were not made.
func (r *run) notHandedBack(ctx context.Context, changes []change) []change {
	failed, err := r.changeVisibility(ctx, changes)
	if err != nil {
		return changes
	}
	var left []change
	for i, c := range changes {
		if _, bad := failed[i]; bad {
			left = append(left, c)
		}
	}
	return left
}

// pause waits, the longer the more failures there were, with full jitter, or
// until ctx ends.
func pause(ctx context.Context, failures int) {
	t := time.NewTimer(backoff(failures, pauseMin, pauseMax))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// backoff returns a wait between half of and the whole of least, doubled with each failure up
// to most.
func backoff(failures int, least, most time.Duration) time.Duration {
	d := min(least<<min(failures-1, 20), most)
	return d/2 + mathrand.N(d/2) //nolint:gosec // jitter
}

// until waits for a change or a time, zero being none, or the end of ctx.
func until(ctx context.Context, changed <-chan struct{}, at time.Time) {
	var due <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-changed:
	case <-due:
	case <-ctx.Done():
	}
}
