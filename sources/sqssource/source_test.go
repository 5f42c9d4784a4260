package sqssource_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/sqssource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

var (
	errFull  = fmt.Errorf("test: %w", bus.ErrFull)
	errAway  = errors.New("test: the bus is away")
	errNever = hearken.Permanent(errors.New("test: too large"))
)

// field returns a field of an event's data.
func field(e hearken.Event, path string) string { return gjson.GetBytes(e.Data(), path).String() }

// fails returns a Recorder.Then that fails with err the events whose body is one
// of bodies, all if there are none, as long as during says.
func fails(err error, during time.Duration, bodies ...string) func(context.Context, hearken.Event) error {
	began := time.Now()
	return func(_ context.Context, e hearken.Event) error {
		among := len(bodies) == 0
		for _, b := range bodies {
			among = among || field(e, "body") == b
		}
		if among && time.Since(began) < during {
			return err
		}
		return nil
	}
}

const forever = 1000 * time.Hour

func TestStoredMessagesAreDeleted(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.start()
		id := w.Send("q", "hello", "")
		e := w.events(1)[0]
		assert.Equal(t, id, e.ID())
		time.Sleep(time.Second)
		assert.Empty(t, w.Messages("q"))
		assert.Equal(t, []int{1, 1, 0}, []int{w.counter("received"), w.counter("deleted"), w.counter("handed_back")})
		require.NoError(t, w.trouble())
	})
}

func TestQueueByURL(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.source.Queue = "https://sqs.us-east-1.amazonaws.com/" + awstest.Account + "/q"
		w.Send("q", "hello", "")
		w.start()
		w.events(1)
		assert.Zero(t, w.Calls("GetQueueUrl"))
	})
}

func TestQueueOfAnAccount(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.source.Account = "999999999999"
		w.start()
		time.Sleep(time.Minute)
		var missing *types.QueueDoesNotExist
		require.ErrorAs(t, w.trouble(), &missing)
		w.finish()
		w.source.Account = awstest.Account
		w.Send("q", "hello", "")
		w.start()
		w.events(1)
		require.NoError(t, w.trouble())
	})
}

func TestFullBusForAMinute(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errFull, time.Minute)
		var ids []string
		send := func(n int) {
			for range n {
				ids = append(ids, w.Send("q", fmt.Sprint(len(ids)), ""))
			}
		}
		send(30)
		w.start()
		time.Sleep(15 * time.Second)
		send(30)
		polls, held := w.Calls("ReceiveMessage"), w.counter("received")
		require.Positive(t, held)
		time.Sleep(44 * time.Second)
		assert.Equal(t, polls, w.Calls("ReceiveMessage"), "no polls while the bus is full")
		assert.Equal(t, held, w.counter("received"))
		for _, count := range w.receives() {
			assert.LessOrEqual(t, count, 1)
		}
		assert.Len(t, w.visible(), 60-held, "what is held is not to be had")

		events := w.events(60)
		time.Sleep(time.Second)
		assert.Empty(t, w.Messages("q"))
		assert.Empty(t, w.Messages("q-dead"))
		var stored []string
		for _, e := range events {
			stored = append(stored, e.ID())
			assert.Equal(t, "1", field(e, "attributes.ApproximateReceiveCount"))
		}
		assert.ElementsMatch(t, ids, stored)
		assert.Equal(t, 60, w.counter("received"), "nothing was handed back")
	})
}

func TestHeldMessageIsNotSeenByOthers(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		gate := &sourcetest.Gate{}
		w.rec.Then = gate.Emit
		w.Send("q", "held", "")
		w.start()
		w.attempts(1)
		other := newClient("http://sqs.test", w.Client())
		url := w.CreateQueue("q", nil)
		for began := time.Now(); time.Since(began) < time.Hour; {
			out, err := other.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20})
			require.NoError(t, err)
			require.Empty(t, out.Messages)
		}
		beats := w.Calls("ChangeMessageVisibilityBatch")
		assert.InDelta(t, 240, beats, 1, "one in 15 s")
		gate.Open()
		w.events(1)
		time.Sleep(time.Second)
		assert.Empty(t, w.Messages("q"))
		assert.Len(t, w.rec.Attempts(), 1)
	})
}

func TestUnstoredMessagesAreSeenAtOnceAfterTheEnd(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errAway, forever)
		for n := range 25 {
			w.Send("q", fmt.Sprint(n), "")
		}
		w.start()
		w.attempts(25)
		assert.Empty(t, w.visible())
		w.finish()
		assert.Len(t, w.visible(), 25)
		assert.Equal(t, 25, w.counter("handed_back"))
		assert.Equal(t, 3, w.Calls("ChangeMessageVisibilityBatch"))
	})
}

func TestKilledProcess(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.Send("q", "held", "")
		url := w.CreateQueue("q", nil)
		_, err := newClient("http://sqs.test", w.Client()).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, VisibilityTimeout: 30})
		require.NoError(t, err) // and no more is heard of whoever it was
		began := time.Now()
		w.start()
		w.events(1)
		assert.Equal(t, 30*time.Second, time.Since(began))
	})
}

func TestEndLetsAPollComeBack(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.start()
		time.Sleep(2 * time.Second)
		began := time.Now()
		time.AfterFunc(time.Second, func() { w.Send("q", "late", "") })
		w.finish()
		assert.Equal(t, 8*time.Second, time.Since(began), "the other poll waited for its end")
		assert.Equal(t, []string{"late"}, w.visible(), "handed back, not hidden by a poll that was cut off")
		assert.Empty(t, w.rec.Attempts())
	})
}

func TestEndDeletesFirst(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errAway, forever, "unstored")
		w.Send("q", "stored", "")
		w.Send("q", "unstored", "")
		var calls []string
		w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
			if c.Operation != "ReceiveMessage" {
				calls = append(calls, c.Operation) // one at a time: nothing else goes on
			}
			return next()
		})
		w.start()
		w.attempts(2)
		w.finish()
		assert.Equal(t, []string{"GetQueueUrl", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}, calls)
		assert.Equal(t, []string{"unstored"}, w.visible())
		assert.Len(t, w.Messages("q"), 1)
	})
}

// modest is a client that asks for no visibility that SQS refuses.
type modest struct {
	sqssource.Client
	t *testing.T
}

func (m modest) ChangeMessageVisibilityBatch(ctx context.Context, in *sqs.ChangeMessageVisibilityBatchInput, opts ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	out, err := m.Client.ChangeMessageVisibilityBatch(ctx, in, opts...)
	if assert.NoError(m.t, err) {
		assert.Empty(m.t, out.Failed, "SQS was asked for more than it gives")
	}
	return out, err
}

func TestTwelveHours(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errFull, 13*time.Hour)
		w.Send("q", "patient", "")
		w.source.Client = modest{w.source.Client, t}
		began := time.Now()
		w.start()
		time.Sleep(11*time.Hour + 59*time.Minute)
		assert.Equal(t, []int{1}, w.receives())
		time.Sleep(2 * time.Minute)
		assert.Equal(t, []int{2}, w.receives(), "it was given up, and received again")
		assert.Equal(t, 1, w.counter("lost"))
		require.NoError(t, w.trouble())
		w.events(1)
		assert.InDelta(t, 13, time.Since(began).Hours(), 0.01)
		time.Sleep(time.Second)
		assert.Empty(t, w.Messages("q"))
		assert.Contains(t, w.log.String(), "became visible to others before it was stored")
	})
}

func TestHeldBoundsWhatIsReceived(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.source.Held, w.source.Pollers = 25, 5
		gate := &sourcetest.Gate{}
		w.rec.Then = gate.Emit
		for n := range 50 {
			w.Send("q", fmt.Sprint(n), "")
		}
		w.start()
		time.Sleep(time.Minute)
		assert.Equal(t, 20, w.counter("received"), "no room for another batch")
		gate.Open()
		w.events(50)
	})
}

func TestOneMessageHeld(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.source.Held = 1
		for n := range 5 {
			w.Send("q", fmt.Sprint(n), "")
		}
		w.start()
		w.events(5)
	})
}

func TestRefusedMessageIsLeftToTheQueue(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.rec.Then = fails(errNever, forever, "poison")
		w.Send("q", "poison", "")
		w.start()
		w.Send("q", "good", "")
		assert.Equal(t, []string{"good"}, bodies(w.events(1)))
		time.Sleep(3*30*time.Second + time.Second)
		require.Len(t, w.Messages("q-dead"), 1)
		assert.Empty(t, w.Messages("q"))
		assert.Equal(t, 3, w.counter("refused"))
		assert.Equal(t, 1, w.Calls("GetQueueAttributes"), "asked once")
		assert.Contains(t, w.log.String(), "left to the queue's redrive policy")
	})
}

func TestRefusedMessageWithoutRedrivePolicy(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.CreateQueue("bare", nil)
		w.source.Queue = "bare"
		w.source.Body = sqssource.JSON
		w.Send("bare", "no JSON", "")
		w.Send("bare", `"JSON"`, "")
		w.start()
		assert.Equal(t, []string{"JSON"}, bodies(w.events(1)))
		time.Sleep(time.Minute)
		assert.Len(t, w.Messages("bare"), 1)
		assert.Contains(t, w.log.String(), "has no redrive policy")
		assert.Contains(t, w.log.String(), "the body of the message is not JSON")
	})
}

func TestRefusedMessageAndNoRightToAskForThePolicy(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.Intercept(func(_ context.Context, c awstest.Call, next func() error) error {
			if c.Operation == "GetQueueAttributes" {
				return &awstest.Error{Status: 403, Code: "AccessDeniedException", Message: "no"}
			}
			return next()
		})
		w.rec.Then = fails(errNever, forever, "poison")
		w.Send("q", "poison", "")
		w.start()
		w.attempts(1)
		w.Send("q", "good", "")
		w.events(1)
		time.Sleep(time.Second)
		assert.Contains(t, w.log.String(), "is not known")
	})
}

func TestMistakes(t *testing.T) {
	client := newClient("http://sqs.test", nil)
	for _, c := range []struct {
		name   string
		source *sqssource.Source
		want   []string
	}{
		{"nothing", &sqssource.Source{}, []string{"Client: is nil", "Queue: is empty"}},
		{"nil pointer", &sqssource.Source{Client: (*sqs.Client)(nil), Queue: "q"}, []string{"Client: is nil"}},
		{"no region", &sqssource.Source{Client: sqs.New(sqs.Options{}), Queue: "q"}, []string{"Client: has no region; set AWS_REGION, or Region of its configuration"}},
		{"no host", &sqssource.Source{Client: client, Queue: "https:///q"}, []string{"Queue: is \"https:///q\""}},
		{"no path", &sqssource.Source{Client: client, Queue: "https://sqs.us-east-1.amazonaws.com/"}, []string{"Queue: is \"https://sqs"}},
		{"no URL", &sqssource.Source{Client: client, Queue: "https://x/%zz"}, []string{"Queue: is \"https://x/%zz\""}},
		{"control characters", &sqssource.Source{Client: client, Queue: "q\n"}, []string{"Queue: is \"q\\n\""}},
		{"ARN", &sqssource.Source{Client: client, Queue: "arn:aws:sqs:us-east-1:000000000000:q"}, []string{"Queue: is the ARN"}},
		{"path", &sqssource.Source{Client: client, Queue: "sqs.us-east-1.amazonaws.com/0/q"}, []string{"Queue: is \"sqs.us-east-1"}},
		{"account twice", &sqssource.Source{Client: client, Queue: "https://x/0/q", Account: "0"}, []string{"Account: is set"}},
		{"account beside no URL", &sqssource.Source{Client: client, Queue: "https:///q", Account: "0"}, []string{"Queue: is \"https:///q\"", "Account: is set"}},
		{"numbers", &sqssource.Source{
			Client: client, Queue: "q", Pollers: -1, Held: 20_000, Wait: 21 * time.Second, Visibility: 1500 * time.Millisecond, Body: 9,
		}, []string{"Pollers: is -1", "Held: is 20000", "Wait: is 21s", "Visibility: is 1.5s", "Body: is 9"}},
		{"none", &sqssource.Source{Client: client, Queue: "q.fifo", Account: "0", Pollers: 100, Held: 10_000, Wait: time.Second, Visibility: time.Hour, Body: sqssource.Base64}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.source.Validate()
			if len(c.want) == 0 {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			lines := strings.Split(err.Error(), "\n")
			require.Len(t, lines, len(c.want), err)
			for i, want := range c.want {
				assert.Contains(t, lines[i], want)
			}
			run := c.source.Run(t.Context(), (&sourcetest.Recorder{}).Output())
			assert.True(t, hearken.IsPermanent(run))
		})
	}
}

func TestOneSourceIsOneEventSource(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Second)
		err := w.source.Run(t.Context(), w.rec.Output())
		require.ErrorContains(t, err, "runs already")
		assert.True(t, hearken.IsPermanent(err))
	})
}
