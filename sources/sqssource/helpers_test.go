package sqssource_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/sqssource"
	"github.com/stretchr/testify/require"
)

func credentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
}

// newClient returns the SDK's client for an endpoint, by an HTTP client; nil: the
// SDK's own.
func newClient(endpoint string, client *http.Client) *sqs.Client {
	o := sqs.Options{
		Region: awstest.Region, BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(credentials),
		Retryer:     aws.NopRetryer{}, // each failure is seen
	}
	if client != nil {
		o.HTTPClient = client
	}
	return sqs.New(o)
}

// world is a queue "q" or "q.fifo" with a dead-letter queue, in a bubble of
// time, and a source on it.
type world struct {
	*awstest.SQS
	t      *testing.T
	queue  string
	source *sqssource.Source
	rec    *sourcetest.Recorder
	log    *logs

	stop  context.CancelFunc
	ended chan error
}

func bubble(t *testing.T, queue string, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{SQS: &awstest.SQS{}, t: t, queue: queue, log: &logs{}}
		w.CreateQueueWithDLQ(queue, 3)
		w.source = &sqssource.Source{Client: newClient("http://sqs.test", w.Client()), Queue: queue}
		w.rec = &sourcetest.Recorder{Logger: slog.New(slog.NewTextHandler(w.log, nil))}
		f(t, w)
		if w.stop != nil {
			w.finish()
		}
	})
}

// start runs the source.
func (w *world) start() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	w.stop, w.ended = cancel, make(chan error, 1)
	go func() { w.ended <- w.source.Run(ctx, w.rec.Output()) }()
}

// finish ends Run and waits for it.
func (w *world) finish() {
	w.t.Helper()
	w.stop()
	require.NoError(w.t, <-w.ended)
	w.stop = nil
}

// events waits until n events are stored.
func (w *world) events(n int) []hearken.Event {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
	defer cancel()
	events, err := w.rec.Wait(ctx, n)
	require.NoError(w.t, err)
	return events
}

// attempts waits until Emit was called n times.
func (w *world) attempts(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
	defer cancel()
	_, err := w.rec.WaitAttempts(ctx, n)
	require.NoError(w.t, err)
}

// receives returns the receive counts of what is in the queue.
func (w *world) receives() []int {
	var counts []int
	for _, m := range w.Messages(w.queue) {
		counts = append(counts, m.Receives)
	}
	return counts
}

// visible returns the bodies of what another consumer would be given now.
func (w *world) visible() []string {
	var bodies []string
	for _, m := range w.Messages(w.queue) {
		if m.Visible {
			bodies = append(bodies, m.Body)
		}
	}
	return bodies
}

func (w *world) trouble() error {
	if t := w.source.Report().Trouble; t != nil {
		return t.Err
	}
	return nil
}

func (w *world) counter(name string) int { return int(w.source.Report().Counters[name]) }

// bodies returns the bodies of events.
func bodies(events []hearken.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, field(e, "body"))
	}
	return all
}

// logs collects what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
