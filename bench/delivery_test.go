package bench

import (
	"context"
	"testing"
	"time"
)

// BenchmarkSinkDown is row 16: the sink answers 503 for 3 s while 300 events are
// posted.
func BenchmarkSinkDown(b *testing.B) {
	s := built.run(b, durable)
	tally := &losses{}
	for b.Loop() {
		f := down(time.Now().Add(3 * time.Second))
		s.sink.answer.Store(&f)
		l := s.load(300)
		l.every = 10 * time.Millisecond
		r, err := l.run(b.Context(), s.sink)
		if err != nil {
			b.Fatal(err)
		}
		tally.add(r)
	}
	tally.report(b)
}

// backlogLimit is how many events may wait in row 17. What the sensor has in
// flight is part of them.
const backlogLimit = 2_000

// BenchmarkBacklogFull is row 17: the sink answers nothing, and more is posted
// than may wait. What is beyond must be refused, and what was accepted arrive.
func BenchmarkBacklogFull(b *testing.B) {
	s := built.run(b, durable, "-max-events", "2000")
	tally := &losses{}
	for b.Loop() {
		gate := make(chan struct{})
		f := shut(gate)
		s.sink.answer.Store(&f)
		r, err := s.flood(b.Context(), 3*backlogLimit, gate)
		if err != nil {
			b.Fatal(err)
		}
		if r.refused == 0 {
			b.Fatal("nothing was refused")
		}
		tally.add(r)
	}
	tally.report(b)
}

// flood posts n events, then opens the gate and waits for what was accepted.
func (s *system) flood(ctx context.Context, n int, gate chan<- struct{}) (result, error) {
	l := s.load(n)
	book := newLedger(l.first, l.n)
	s.sink.book.Store(book)
	err := l.post(ctx, book)
	close(gate)
	if err != nil {
		return result{}, err
	}
	return awaitArrivals(ctx, book)
}

// losses adds up what became of the events of all rounds.
type losses struct {
	rounds, accepted, refused, lost, duplicates int
	took                                        time.Duration
}

func (t *losses) add(r result) {
	t.rounds++
	t.accepted += r.accepted
	t.refused += r.refused
	t.lost += r.lost
	t.duplicates += r.duplicates
	t.took = max(t.took, r.took)
}

// report says how many were lost of all, and of a round how many were accepted
// and refused, and how long the slowest took.
func (t *losses) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(t.lost), "lost")
	b.ReportMetric(float64(t.duplicates), "duplicates")
	b.ReportMetric(float64(t.accepted)/float64(t.rounds), "accepted")
	b.ReportMetric(float64(t.refused)/float64(t.rounds), "refused")
	b.ReportMetric(t.took.Seconds(), "s-to-deliver")
}
