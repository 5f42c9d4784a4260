package snssource_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/snssource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	keys() // not in a bubble
	goleak.VerifyTestMain(m)
}

// source returns a Source of the topic that asks fake.
func source(fake *fakeSNS) *snssource.Source {
	return &snssource.Source{TopicARN: topicARN, Transport: fake, Roots: fake.Roots}
}

// run runs s until the test ends, and returns once requests are let in.
func run(t testing.TB, s *snssource.Source, out hearken.Output) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, out) }()
	for send(s, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)).Code == http.StatusServiceUnavailable {
		select {
		case err := <-ended:
			t.Fatalf("Run ended: %v", err)
		default:
			runtime.Gosched()
		}
	}
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

// start runs s and returns what it emits.
func start(t testing.TB, s *snssource.Source) *sourcetest.Recorder {
	t.Helper()
	rec := &sourcetest.Recorder{Topic: bus.Topic{EventSource: "sns", Event: "news"}}
	run(t, s, rec.Output())
	return rec
}

func send(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// only returns the one event that rec has stored.
func only(t testing.TB, rec *sourcetest.Recorder) hearken.Event {
	t.Helper()
	events := rec.Events()
	require.Len(t, events, 1)
	return events[0]
}

// inBubble runs f where waiting takes no time. It is the year 2000 there.
func inBubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// api is an SNS client that remembers what it was asked.
type api struct {
	err        error
	confirmed  []*sns.ConfirmSubscriptionInput
	subscribed []*sns.SubscribeInput
}

func (a *api) ConfirmSubscription(_ context.Context, in *sns.ConfirmSubscriptionInput, _ ...func(*sns.Options)) (*sns.ConfirmSubscriptionOutput, error) {
	a.confirmed = append(a.confirmed, in)
	return &sns.ConfirmSubscriptionOutput{SubscriptionArn: aws.String(topicARN + ":1")}, a.err
}

func (a *api) Subscribe(_ context.Context, in *sns.SubscribeInput, _ ...func(*sns.Options)) (*sns.SubscribeOutput, error) {
	a.subscribed = append(a.subscribed, in)
	return &sns.SubscribeOutput{SubscriptionArn: aws.String(topicARN + ":1")}, a.err
}
