package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// load posts events to whichever replica is up.
type load struct {
	ledger  *Ledger
	targets *targets
	client  *http.Client
}

// Joins says whether events that have to be joined are posted too.
const Joins = true

const (
	posters   = 8
	postEvery = 15 * time.Millisecond // each poster
	// again is the share of events refused or not answered that are posted
	// once more, as a careful client does; the rest are what a careless one
	// leaves behind.
	again = 0.7
	// poisoned is how many events of a poster there are for each poisoned one.
	poisoned = 40
	// withheld is the share of pairs of which one half is never posted.
	withheld = 0.1
)

func newLoad(l *Ledger, t *targets) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: posters}
	return &load{ledger: l, targets: t, client: &http.Client{Transport: transport, Timeout: 3 * time.Second}}
}

// run posts until ctx ends.
func (l *load) run(ctx context.Context, seed uint64) {
	var all sync.WaitGroup
	for i := range posters {
		all.Go(func() {
			p := poster{load: l, number: i, rand: rand.New(rand.NewPCG(seed, uint64(i)))} //nolint:gosec // to be repeatable
			p.run(ctx)
		})
	}
	all.Wait()
	l.client.CloseIdleConnections()
}

// poster is one client, that posts one event at a time.
type poster struct {
	*load
	number int
	count  int
	rand   *rand.Rand
	later  []Event // the other halves of what was posted
}

func (p *poster) run(ctx context.Context) {
	tick := time.NewTicker(postEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.deliver(ctx, p.next())
		}
	}
}

// next draws an event. What is drawn depends on the seed only.
func (p *poster) next() Event {
	if n := len(p.later); n > 0 && p.rand.IntN(2) == 0 {
		i := p.rand.IntN(n)
		e := p.later[i]
		p.later = append(p.later[:i], p.later[i+1:]...)
		return e
	}
	p.count++
	name := fmt.Sprintf("%d.%d", p.number, p.count)
	draw, poison := p.rand.IntN(10), p.count%poisoned == 5
	switch {
	case Joins && draw < 5:
		return p.pair(name, poison)
	case Joins && draw < 6:
		topic := []string{First, Second}[p.rand.IntN(2)]
		return Event{ID: half(name, topic), Topic: topic}
	default:
		return Event{ID: half(name, Solo), Topic: Solo, Poison: poison}
	}
}

// pair returns one half of a pair, and mostly keeps the other for later.
func (p *poster) pair(key string, poison bool) Event {
	topics := [2]string{Left, Right}
	if p.rand.IntN(2) == 0 {
		topics = [2]string{Right, Left}
	}
	if p.rand.Float64() >= withheld {
		p.later = append(p.later, Event{ID: half(key, topics[1]), Topic: topics[1], Key: key, Poison: poison})
	}
	return Event{ID: half(key, topics[0]), Topic: topics[0], Key: key, Poison: poison}
}

// deliver posts e, more than once when it has to, and books what came of it.
func (p *poster) deliver(ctx context.Context, e Event) {
	for ctx.Err() == nil {
		o := p.post(context.WithoutCancel(ctx), e)
		if o == Accepted || o != Unsent && p.rand.Float64() >= again {
			return
		}
		if pause(ctx, postEvery) != nil {
			return
		}
	}
}

// insist posts e until it is accepted.
func (l *load) insist(ctx context.Context, e Event) error {
	for l.post(ctx, e) != Accepted {
		if err := pause(ctx, postEvery); err != nil {
			return fmt.Errorf("%s was never accepted: %w", e.ID, err)
		}
	}
	return nil
}

// post posts e once and books what came of it.
func (l *load) post(ctx context.Context, e Event) Outcome {
	addr := l.targets.any()
	if addr == "" {
		return Unsent
	}
	l.ledger.Posting(e)
	o := l.send(ctx, addr, e)
	l.ledger.Posted(e, o)
	return o
}

func (l *load) send(ctx context.Context, addr string, e Event) Outcome {
	body, err := json.Marshal(e)
	if err != nil {
		return Unsent
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/"+e.Topic, bytes.NewReader(body))
	if err != nil {
		return Unsent
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Type": "crashtest.event", "Ce-Source": "crashtest", "Ce-Id": e.ID,
	} {
		req.Header.Set(name, value)
	}
	resp, err := l.client.Do(req)
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return Unsent
	case err != nil:
		return Ambiguous
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	if resp.StatusCode != http.StatusOK {
		return Refused
	}
	return Accepted
}

// targets are the replicas that are up, by number.
type targets struct {
	mu    sync.Mutex
	addrs map[int]string
	next  int
}

func (t *targets) set(replica int, addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.addrs == nil {
		t.addrs = map[int]string{}
	}
	t.addrs[replica] = addr
	if addr == "" {
		delete(t.addrs, replica)
	}
}

// any returns the replicas in turn, or "".
func (t *targets) any() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range 16 {
		t.next = (t.next + 1) % 16
		if addr := t.addrs[t.next]; addr != "" {
			return addr
		}
	}
	return ""
}

func (t *targets) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for _, addr := range t.addrs {
		all = append(all, addr)
	}
	return all
}
