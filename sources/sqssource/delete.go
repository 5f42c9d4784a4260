package sqssource

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
		switch {
		case err == nil && !bad:
			r.account.deleted.Add(1)
			gone = append(gone, m)
		case bad && isFinal(entry), r.holds.isClosed() && m.tries+1 >= lastTries:
			r.out.Logger.Warn("a message that is stored could not be deleted and will come again", "message", aws.ToString(m.MessageId), "error", errors.Join(err, entryErrorOf(entry, bad)))
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
func (r *run) deleteBatch(ctx context.Context, batch []*held) (map[int]types.BatchResultErrorEntry, error) {
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &r.url}
	for i, m := range batch {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: entryID(i), ReceiptHandle: m.ReceiptHandle})
	}
	var failed []types.BatchResultErrorEntry
	err := r.calling(ctx, remove, 0, func(ctx context.Context) error {
		out, err := r.Client.DeleteMessageBatch(ctx, in)
		if err == nil {
			failed = out.Failed
		}
		return errors.Join(err, entryError(failed))
	})
	if len(failed) > 0 {
		err = nil
	}
	return byIndex(failed), err
}

// entryError returns the error of the first entry that failed otherwise than by
// a message that is no longer held.
func entryError(failed []types.BatchResultErrorEntry) error {
	for _, f := range failed {
		if !isFinal(f) {
			return entryErrorOf(f, true)
		}
	}
	return nil
}

// isFinal reports whether another attempt cannot help: the message is no longer
// held. That there is too much to do is said to be the sender's fault too.
func isFinal(f types.BatchResultErrorEntry) bool {
	return f.SenderFault && !strings.Contains(aws.ToString(f.Code), "Throttl")
}

func entryErrorOf(f types.BatchResultErrorEntry, bad bool) error {
	if !bad {
		return nil
	}
	return fmt.Errorf("entry %s: %s: %s", aws.ToString(f.Id), aws.ToString(f.Code), aws.ToString(f.Message))
}
