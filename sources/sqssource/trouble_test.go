package sqssource_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failing has calls of an operation fail for a while.
func (w *world) failing(operation string, err error, during time.Duration) {
	began := time.Now()
	w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
		if c.Operation == operation && time.Since(began) < during {
			return err
		}
		return next()
	})
}

func TestTroubleIsSurvivedAndShown(t *testing.T) {
	for _, c := range []struct {
		name, operation string
		err             *awstest.Error
		code            string
	}{
		{"throttling", "ReceiveMessage", &awstest.Error{Code: "RequestThrottled"}, "RequestThrottled"},
		{"too many in flight", "ReceiveMessage", &awstest.Error{Code: "OverLimit"}, "OverLimit"},
		{"expired credentials", "ReceiveMessage", &awstest.Error{Status: 403, Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}, "ExpiredTokenException"},
		{"no right", "ReceiveMessage", &awstest.Error{Status: 403, Code: "AccessDeniedException"}, "AccessDeniedException"},
		{"no right to find", "GetQueueUrl", &awstest.Error{Status: 403, Code: "AccessDeniedException"}, "AccessDeniedException"},
		{"broken", "ReceiveMessage", &awstest.Error{Status: 503, Code: "ServiceUnavailable"}, "ServiceUnavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, "q", func(t *testing.T, w *world) {
				w.failing(c.operation, c.err, 5*time.Minute)
				w.start()
				began := time.Now()
				time.Sleep(4 * time.Minute)
				var api smithy.APIError
				require.ErrorAs(t, w.trouble(), &api)
				assert.Equal(t, c.code, api.ErrorCode())
				assert.ErrorContains(t, w.trouble(), "queue q in us-east-1: ", "which queue")
				assert.Less(t, w.source.Report().Trouble.Time.Sub(began), 10*time.Second, "since when")
				assert.Less(t, w.Calls(c.operation), 40, "with pauses")
				w.Send("q", "hello", "")
				w.events(1)
				time.Sleep(30 * time.Second)
				require.NoError(t, w.trouble())
				assert.Contains(t, w.log.String(), "SQS answers again")
			})
		})
	}
}

func TestNoCredentials(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		began := time.Now()
		w.source.Client = sqs.New(sqs.Options{
			Region: awstest.Region, BaseEndpoint: aws.String("http://sqs.test"), HTTPClient: w.Client(), Retryer: aws.NopRetryer{},
			Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
				if time.Since(began) < time.Minute {
					return aws.Credentials{}, errors.New("no EC2 IMDS role found")
				}
				return credentials(ctx)
			}),
		})
		w.Send("q", "hello", "")
		w.start()
		time.Sleep(30 * time.Second)
		require.ErrorContains(t, w.trouble(), "no EC2 IMDS role found")
		w.events(1)
	})
}

func TestDeletedQueueIsSurvived(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Second)
		w.DeleteQueue("q")
		time.Sleep(time.Minute)
		var missing *types.QueueDoesNotExist
		require.ErrorAs(t, w.trouble(), &missing)
		w.CreateQueue("q", nil)
		w.Send("q", "hello", "")
		w.events(1)
		time.Sleep(30 * time.Second)
		require.NoError(t, w.trouble())
	})
}

func TestEndDuringTrouble(t *testing.T) {
	for _, operation := range []string{"GetQueueUrl", "ReceiveMessage"} {
		bubble(t, "q", func(t *testing.T, w *world) {
			w.failing(operation, &awstest.Error{Status: 500, Code: "InternalError"}, forever)
			w.start()
			time.Sleep(10 * time.Minute)
			began := time.Now()
			w.finish()
			assert.Zero(t, time.Since(began), operation)
		})
	}
}

func TestEntriesAreDeletedAgain(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		fail := w.Send("q", "stubborn", "")
		for n := range 9 {
			w.Send("q", fmt.Sprint(n), "")
		}
		failures := 0
		w.FailEntries(func(operation, message string) *awstest.Error {
			if operation == "DeleteMessageBatch" && message == fail && failures < 3 {
				failures++
				return &awstest.Error{Status: 500, Code: "InternalError"}
			}
			return nil
		})
		w.start()
		w.events(10)
		time.Sleep(300 * time.Millisecond)
		assert.Len(t, w.Messages("q"), 1)
		require.ErrorContains(t, w.trouble(), "InternalError")
		time.Sleep(time.Minute)
		assert.Empty(t, w.Messages("q"))
		assert.Equal(t, 4, w.Calls("DeleteMessageBatch"))
		require.NoError(t, w.trouble())
		assert.Len(t, w.rec.Attempts(), 10, "none came again")
	})
}

func TestMessageThatIsNoLongerOursIsNotDeletedForever(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		failed := false
		w.FailEntries(func(operation, _ string) *awstest.Error {
			if operation == "DeleteMessageBatch" && !failed {
				failed = true
				return &awstest.Error{Code: "ReceiptHandleIsInvalid"}
			}
			return nil
		})
		id := w.Send("q", "twice", "")
		w.start()
		for _, e := range w.events(2) {
			assert.Equal(t, id, e.ID())
		}
		time.Sleep(time.Second)
		assert.Equal(t, 2, w.Calls("DeleteMessageBatch"))
		assert.Empty(t, w.Messages("q"))
		require.NoError(t, w.trouble(), "it was nobody's mistake")
		assert.Contains(t, w.log.String(), "could not be deleted and will come again")
	})
}

func TestDeletionsThatFailAreMadeAgain(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.failing("DeleteMessageBatch", awstest.ErrLost, 2*time.Minute)
		for n := range 20 {
			w.Send("q", fmt.Sprint(n), "")
		}
		w.start()
		w.events(20)
		time.Sleep(time.Minute)
		require.Error(t, w.trouble())
		time.Sleep(2 * time.Minute)
		assert.Empty(t, w.Messages("q"))
		assert.Len(t, w.rec.Attempts(), 20, "they stayed hidden all the time")
	})
}

func TestEndWithDeletionsThatFail(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.failing("DeleteMessageBatch", awstest.ErrLost, forever)
		w.Send("q", "stored", "")
		w.start()
		w.events(1)
		began := time.Now()
		w.finish()
		assert.Less(t, time.Since(began), 15*time.Second)
		assert.Empty(t, w.visible(), "what is stored is not handed back")
	})
}

func TestHeartbeatsThatFailAreMadeAgain(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		gate := &sourcetest.Gate{}
		w.rec.Then = gate.Emit
		w.Send("q", "held", "")
		w.failing("ChangeMessageVisibilityBatch", &awstest.Error{Status: 500, Code: "InternalError"}, 25*time.Second)
		w.start()
		time.Sleep(5 * time.Minute)
		assert.Equal(t, []int{1}, w.receives())
		require.NoError(t, w.trouble())
		gate.Open()
	})
}

func TestTroubleWithHeartbeatsEndsWithTheMessage(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errAway, 16*time.Second)
		w.failing("ChangeMessageVisibilityBatch", &awstest.Error{Status: 500, Code: "InternalError"}, forever)
		w.Send("q", "held", "")
		w.start()
		time.Sleep(16 * time.Second)
		require.ErrorContains(t, w.trouble(), "InternalError")
		w.events(1)
		time.Sleep(16 * time.Second)
		assert.Empty(t, w.Messages("q"))
		require.NoError(t, w.trouble(), "nothing is left to be kept hidden")
	})
}

func TestOutageOfHeartbeats(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errFull, 2*time.Minute)
		w.failing("ChangeMessageVisibilityBatch", awstest.ErrLost, time.Minute)
		id := w.Send("q", "held", "")
		w.start()
		time.Sleep(20 * time.Second)
		require.Error(t, w.trouble())
		for _, e := range w.events(1) {
			assert.Equal(t, id, e.ID())
		}
		assert.Equal(t, 2, w.counter("lost"), "and received again each time")
		time.Sleep(time.Second)
		assert.Empty(t, w.Messages("q"))
	})
}

func TestHandingBackIsTriedTwice(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errAway, forever)
		w.Send("q", "a", "")
		w.Send("q", "b", "")
		calls := 0
		w.FailEntries(func(operation, _ string) *awstest.Error {
			if calls++; operation == "ChangeMessageVisibilityBatch" && calls == 1 {
				return &awstest.Error{Status: 500, Code: "InternalError"}
			}
			return nil
		})
		w.start()
		w.attempts(2)
		w.finish()
		assert.ElementsMatch(t, []string{"a", "b"}, w.visible())
		assert.Equal(t, 2, w.counter("handed_back"))
	})
}

func TestHealthShowsTrouble(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.failing("ReceiveMessage", &awstest.Error{Code: "RequestThrottled"}, time.Minute)
		orders := &hearken.EventSource{Name: "orders", Event: "placed", Source: w.source}
		fired := make(chan hearken.Firing, 1)
		p := &hearken.Pipeline{
			Name: "test", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{orders},
			Sensors: []hearken.Sensor{{Name: "s", Actions: []hearken.Action{{
				When: &hearken.Dependency{EventSource: orders},
				Trigger: hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
					fired <- f
					return nil
				}),
			}}}},
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- p.Run(ctx) }()
		time.Sleep(30 * time.Second)
		var throttled *types.RequestThrottled
		require.ErrorAs(t, p.Health().EventSources[0].Trouble.Err, &throttled)
		w.Send("q", "hello", "")
		f := <-fired
		assert.Equal(t, "sqs", f.Events["placed"].Type())
		cancel()
		require.NoError(t, <-ended)
		assert.Nil(t, p.Health().EventSources[0].Trouble)
		assert.Equal(t, uint64(1), p.Health().EventSources[0].Counters["deleted"])
	})
}
