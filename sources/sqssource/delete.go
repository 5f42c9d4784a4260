package sqssource

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// lastTries is how often the deletion of a message is tried once the pipeline
// ends.
const lastTries = 3

// deleteStored deletes what is stored, until the holds are closed and nothing is
// left.
func (r *run) deleteStored(ctx context.Context) {
	for {
		changed := r.holds.newDeletion()
		batch, at := r.holds.toDelete(time.Now())
		if len(batch) > 0 {
			r.delete(ctx, batch)
			continue
		}
		if at.IsZero() && r.holds.isClosed() {
			return
		}
		until(ctx, changed, at)
	}
}

// delete makes one call for messages.
func (r *run) delete(ctx context.Context, batch []*held) {
	failed, err := r.deleteBatch(ctx, batch)
	var gone, again []*held
	for i, m := range batch {
		entry, bad := failed[i]
		cause := err
		if bad {
			cause = entryError(entry)
		}
		switch {
		case cause == nil:
			r.account.deleted.Add(1)
			gone = append(gone, m)
		case bad && isFinal(entry), r.holds.isClosed() && m.tries+1 >= lastTries:
			r.out.Logger.Warn("a message that is stored could not be deleted and will come again", "message", aws.ToString(m.MessageId), "error", cause)
			gone = append(gone, m)
		default:
			again = append(again, m)
		}
	}
	r.holds.forget(gone...)
	if len(again) > 0 {
		r.holds.undeleted(again, func(tries int) time.Duration { return backoff(tries, pauseMin, pauseMax) })
	}
}

// deleteBatch returns which entries failed, by their index.
func (r *run) deleteBatch(ctx context.Context, batch []*held) (failures, error) {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &r.url}
	for i, m := range batch {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: entryID(i), ReceiptHandle: m.ReceiptHandle})
	}
	var failed failures
	err := r.calling(ctx, remove, 0, func(ctx context.Context) error {
		out, err := r.Client.DeleteMessageBatch(ctx, in)
		if err != nil {
			return err
		}
		failed = failuresOf(len(batch), out.Successful, func(e types.DeleteMessageBatchResultEntry) *string { return e.Id }, out.Failed)
		return failed.err()
	})
	if failed != nil {
		err = nil // the call's
	}
	return failed, err
}
