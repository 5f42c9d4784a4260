package sqssource_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/sqssource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEndAfterManyDeletionsThatFailed(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errAway, forever, "unstored")
		w.Send("q", "stored", "")
		w.Send("q", "unstored", "")
		tenth, calls := make(chan struct{}), 0
		w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
			if c.Operation != "DeleteMessageBatch" {
				return next()
			}
			if calls++; calls == 10 {
				close(tenth)
			}
			return awstest.ErrLost
		})
		w.start()
		<-tenth
		synctest.Wait() // the next one is to come in 15 seconds or more
		began := time.Now()
		w.finish()
		assert.LessOrEqual(t, time.Since(began), 10*time.Second, "no longer than a poll")
		assert.Equal(t, 11, calls, "tried once more")
		assert.Equal(t, []string{"unstored"}, w.visible())
	})
}

func TestDeletionsDoNotWaitForThoseThatFail(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		stubborn := w.Send("q", "stubborn", "")
		tenth, failures := make(chan struct{}), 0
		w.FailEntries(func(operation, message string) *awstest.Error {
			if operation != "DeleteMessageBatch" || message != stubborn {
				return nil
			}
			if failures++; failures == 10 {
				close(tenth)
			}
			return &awstest.Error{Status: 500, Code: "InternalError"}
		})
		w.start()
		<-tenth
		synctest.Wait()
		w.Send("q", "new", "")
		w.events(2)
		time.Sleep(time.Second)
		assert.Len(t, w.Messages("q"), 1, "the new one is deleted")
		w.FailEntries(nil)
	})
}

// What SQS says of an entry when there is too much to do is for another attempt,
// whoever it says is at fault.
func TestEntriesThatAreThrottled(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errFull, time.Minute)
		began := time.Now()
		w.FailEntries(func(operation, _ string) *awstest.Error {
			during := 18 * time.Second
			if operation == "DeleteMessageBatch" {
				during = 3 * time.Minute
			}
			if time.Since(began) < during {
				return &awstest.Error{Status: 400, Code: "RequestThrottled"}
			}
			return nil
		})
		w.Send("q", "hello", "")
		w.start()
		time.Sleep(16 * time.Second)
		require.ErrorContains(t, w.trouble(), "RequestThrottled")
		w.events(1)
		time.Sleep(5 * time.Minute)
		assert.Empty(t, w.Messages("q"))
		assert.Equal(t, []int{1, 0, 1}, []int{w.counter("received"), w.counter("lost"), w.counter("deleted")})
		require.NoError(t, w.trouble())
	})
}

// A message is not made visible while a call is under way that would undo it.
func TestHandingBackWaitsForAHeartbeat(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errAway, forever)
		w.Send("q", "held", "")
		var calls, underWay atomic.Int32
		w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
			if c.Operation == "ChangeMessageVisibilityBatch" {
				assert.EqualValues(t, 1, underWay.Add(1))
				defer underWay.Add(-1)
				if calls.Add(1) == 1 {
					time.Sleep(8 * time.Second)
				}
			}
			return next()
		})
		w.source.Wait = time.Second
		w.start()
		time.Sleep(17 * time.Second)
		require.EqualValues(t, 1, calls.Load())
		w.finish()
		assert.EqualValues(t, 2, calls.Load())
		assert.Equal(t, []string{"held"}, w.visible())
	})
}

func TestEndDeletesFirstHoweverLongItTakes(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errAway, forever, "unstored")
		w.Send("q", "stored", "")
		w.Send("q", "unstored", "")
		var deleted, handedBack time.Time
		w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
			switch c.Operation {
			case "DeleteMessageBatch":
				time.Sleep(5 * time.Second)
				deleted = time.Now()
			case "ChangeMessageVisibilityBatch":
				handedBack = time.Now()
			}
			return next()
		})
		w.source.Wait = time.Second
		w.start()
		w.attempts(2)
		w.finish()
		require.False(t, deleted.IsZero())
		assert.False(t, handedBack.Before(deleted))
		assert.Len(t, w.Messages("q"), 1)
	})
}

func TestManyHeldAreKeptHiddenBySlowCalls(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		const many = 1200
		w.source.Held, w.source.Pollers = many, 20
		gate := &sourcetest.Gate{}
		w.rec.Then = gate.Emit
		for n := range many {
			w.Send("q", fmt.Sprint(n), "")
		}
		w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
			if c.Operation == "ChangeMessageVisibilityBatch" {
				time.Sleep(250 * time.Millisecond)
			}
			return next()
		})
		w.start()
		time.Sleep(time.Second)
		require.Equal(t, many, w.counter("received"))
		for range 60 {
			time.Sleep(time.Second)
			require.Empty(t, w.visible())
		}
		gate.Open()
		w.events(many)
	})
}

// vague is a client whose first answers to GetQueueUrl say nothing.
type vague struct {
	sqssource.Client
	answers atomic.Int32
}

func (v *vague) GetQueueUrl(ctx context.Context, in *sqs.GetQueueUrlInput, opts ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) { //nolint:revive,staticcheck // the SDK's name
	if v.answers.Add(1) < 3 {
		return &sqs.GetQueueUrlOutput{}, nil
	}
	return v.Client.GetQueueUrl(ctx, in, opts...)
}

func TestQueueThatHasNoURL(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.source.Client = &vague{Client: w.source.Client}
		w.Send("q", "hello", "")
		w.start()
		synctest.Wait()
		require.ErrorContains(t, w.trouble(), "no URL")
		w.events(1)
	})
}

func TestRedrivePolicyThatIsSetLater(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		policy := `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:` + awstest.Account + `:q-dlq","maxReceiveCount":"3"}`
		client := newClient("http://sqs.test", w.Client())
		url := w.CreateQueue("bare", nil)
		w.source.Queue = "bare"
		w.rec.Then = fails(errNever, forever)
		w.Send("bare", "poison", "")
		w.start()
		time.Sleep(time.Second)
		require.Contains(t, w.log.String(), "the queue has no redrive policy")
		require.NotContains(t, w.log.String(), "left to the queue's redrive policy")
		_, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"RedrivePolicy": policy}})
		require.NoError(t, err)
		w.Send("bare", "another", "")
		time.Sleep(10 * time.Minute)
		w.Send("bare", "a third", "")
		time.Sleep(time.Second)
		assert.Contains(t, w.log.String(), "left to the queue's redrive policy")
		assert.Less(t, w.Calls("GetQueueAttributes"), 4)
	})
}

// A message that is lost while the bus is full waits for room no more.
func TestMessageLostDuringAFullEmit(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		began := time.Now()
		w.rec.Then = func(context.Context, hearken.Event) error {
			if time.Since(began) < 40*time.Second {
				time.Sleep(40 * time.Second)
				return errFull
			}
			return nil
		}
		w.failing("ChangeMessageVisibilityBatch", awstest.ErrLost, 40*time.Second)
		w.Send("q", "held", "")
		w.start()
		time.Sleep(5 * time.Minute)
		w.Send("q", "next", "")
		assert.Equal(t, []string{"held", "next"}, bodies(w.events(2)), "polling goes on")
	})
}

// Whether there is a redrive policy is only to be logged: neither the messages
// that are refused nor the end wait for it one after the other.
func TestRefusalsWithARedrivePolicyThatIsNotToBeHad(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errNever, forever)
		w.Intercept(func(ctx context.Context, c awstest.Call, next func() error) error {
			if c.Operation == "GetQueueAttributes" {
				<-ctx.Done()
				return ctx.Err()
			}
			return next()
		})
		for n := range 50 {
			w.Send("q", fmt.Sprint(n), "")
		}
		w.start()
		w.attempts(50)
		began := time.Now()
		w.finish()
		assert.LessOrEqual(t, time.Since(began), 10*time.Second, "no longer than a poll")
		assert.LessOrEqual(t, w.Calls("GetQueueAttributes"), 2)
	})
}
