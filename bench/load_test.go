package bench

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// crooked is a system that refuses, loses and repeats what it is told to.
type crooked struct {
	sink    http.Handler
	refuses func(i int64) bool
	loses   func(i int64) bool
	repeats func(i int64) bool
	seen    atomic.Int64
}

func every(n int64) func(int64) bool { return func(i int64) bool { return i%n == 0 } }
func never(int64) bool               { return false }

func (c *crooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i := c.seen.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil || c.refuses(i) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if !c.loses(i) {
		c.deliver(body)
	}
	if c.repeats(i) {
		c.deliver(body)
	}
}

func (c *crooked) deliver(body []byte) {
	c.sink.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body)))
}

func TestLoadCountsWhatBecameOfEachEvent(t *testing.T) {
	tests := []struct {
		name   string
		system *crooked
		want   result
	}{
		{"all is well", &crooked{refuses: never, loses: never, repeats: never}, result{accepted: 100}},
		{"refused", &crooked{refuses: every(10), loses: never, repeats: never}, result{accepted: 90, refused: 10}},
		{"repeated", &crooked{refuses: never, loses: never, repeats: every(4)}, result{accepted: 100, duplicates: 25}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := runLoad(t, tt.system)
			if got.accepted != tt.want.accepted || got.refused != tt.want.refused || got.lost != 0 || got.duplicates != tt.want.duplicates {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if len(got.latencies) != tt.want.accepted || got.quantile(0.5) <= 0 || got.quantile(1) > got.took {
				t.Errorf("latencies: %d, median %v of %v", len(got.latencies), got.quantile(0.5), got.took)
			}
		})
	}
}

func runLoad(t *testing.T, c *crooked) result {
	t.Helper()
	s, err := newSink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	c.sink = s
	server := httptest.NewServer(c)
	defer server.Close()
	l := load{address: strings.TrimPrefix(server.URL, "http://"), first: 7, n: 100}
	r, err := l.run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLedgerKnowsWhatIsLost(t *testing.T) {
	book := newLedger(10, 3)
	for i := range book.entries {
		book.entries[i].accepted.Store(i != 2)
	}
	book.arrive(10)
	if book.complete() {
		t.Error("complete without the second")
	}
	book.arrive(9)  // of an earlier run
	book.arrive(13) // of a later one
	r := book.result()
	if r.accepted != 2 || r.lost != 1 || r.refused != 1 || r.duplicates != 0 {
		t.Errorf("got %+v", r)
	}
	book.arrive(11)
	if !book.complete() {
		t.Error("not complete with all that was accepted")
	}
}

func TestSinkTakesWholeEventsOnly(t *testing.T) {
	s := &sink{}
	s.bodies.New = func() any { return new([bodySize + 1]byte) }
	s.book.Store(newLedger(5, 1))
	whole := bodyHead + "0000000005" + bodyTail
	for body, want := range map[string]int{whole: http.StatusNoContent, whole[:bodySize-1]: http.StatusBadRequest, whole + " ": http.StatusBadRequest} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
		if w.Code != want {
			t.Errorf("%d bytes: got %d, want %d", len(body), w.Code, want)
		}
	}
	if !s.book.Load().complete() || s.book.Load().result().duplicates != 0 {
		t.Error("the whole one did not arrive once")
	}
}

func TestAnswers(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	open := make(chan struct{})
	close(open)
	tests := []struct {
		name string
		f    answer
		ctx  context.Context //nolint:containedctx // a case's
		want int
	}{
		{"slow", slow(time.Millisecond), t.Context(), 204},
		{"slow, given up", slow(time.Hour), ended, 503},
		{"down", down(time.Now().Add(time.Hour)), t.Context(), 503},
		{"up again", down(time.Now()), t.Context(), 204},
		{"opened", shut(open), t.Context(), 204},
		{"shut, given up", shut(nil), ended, 503},
	}
	for _, tt := range tests {
		if got := tt.f(tt.ctx); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 100, 2}, 3}} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.values, got, tt.want)
		}
	}
}
