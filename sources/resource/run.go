package resource

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

const (
	// laneCount is how many events are emitted at once. Those of one object keep
	// their order.
	laneCount = 8
	// flushEvery is how often the Store is told what has changed. What it does not
	// know yet when the process is killed is emitted again, with the same ids.
	flushEvery = 3 * time.Second
	// storeTimeout bounds one access to the Store, and all that it is told at the
	// end.
	storeTimeout = 10 * time.Second

	retryMin = 500 * time.Millisecond
	retryMax = 10 * time.Second
	emitMin  = 100 * time.Millisecond
	emitMax  = 5 * time.Second
)

var (
	// errAnew says that it is to be found out again what is watched, and from where.
	errAnew = errors.New("resource: begin anew")
	// errSetBack says so too, and that nothing that is known counts any more.
	errSetBack = fmt.Errorf("%w: the cluster was set back", errAnew)
	// errNotServed says so too, and that the Mapper may be wrong.
	errNotServed = fmt.Errorf("%w: the cluster does not serve it", errAnew)
)

// run is one Run of a Source, or, with a Lease, one term of leading.
type run struct {
	*Source
	out     hearken.Output
	clients clients

	gvr        schema.GroupVersionResource
	gvk        schema.GroupVersionKind
	client     dynamic.NamespaceableResourceInterface
	selector   string
	conditions []condition
	build      *builder
	buffers    buffers
	mem        *memory
	arch       *archive // nil: there is no Store
	// before says that something was known when the run began: then another
	// process, or this one in an earlier life, may have emitted what mem does not
	// know.
	before bool
	seed   maphash.Seed
	lanes  []chan task
}

// all watches all scopes until ctx ends, or it is to begin anew.
func (r *run) all(parent context.Context) error {
	if err := r.prepare(parent); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(parent)
	defer end(nil)
	var scopes, lanes, flusher sync.WaitGroup
	r.seed = maphash.MakeSeed()
	r.lanes = make([]chan task, laneCount)
	for i := range r.lanes {
		r.lanes[i] = make(chan task)
		lanes.Go(func() { r.work(ctx, r.lanes[i]) })
	}
	flusher.Go(func() { r.flushes(ctx, end) })
	for _, s := range r.scopes() {
		scopes.Go(func() {
			if err := s.keep(ctx); err != nil {
				end(err)
			}
		})
	}
	scopes.Wait()
	end(nil)
	lanes.Wait()
	flusher.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(parent), storeTimeout)
	defer cancel()
	err := context.Cause(ctx)
	if errors.Is(err, errSetBack) {
		r.forget(last)
	} else if err := r.flush(last); err != nil {
		r.out.Logger.Warn("the Store was not told the last of what the resource source knows: after a restart some events come again", "error", err)
	}
	return err
}

// forget has nothing left of what is known.
func (r *run) forget(ctx context.Context) {
	r.last = nil
	if r.arch == nil {
		return
	}
	if err := r.arch.clear(ctx); err != nil {
		r.out.Logger.Warn("the Store keeps what the resource source knew before the cluster was set back: it is not used any more", "error", err)
	}
}

// prepare finds out what is watched and what is known of it.
func (r *run) prepare(ctx context.Context) error {
	err := r.retry(ctx, "resolve", func(context.Context) (err error) {
		r.gvr, r.gvk, err = r.resolve(r.clients.mapper)
		return err
	})
	if err != nil {
		return err
	}
	r.client = r.clients.dynamic.Resource(r.gvr)
	selector, err := labels.Parse(r.Labels)
	if err != nil {
		return err // Validate has found it
	}
	r.selector, r.conditions = selector.String(), conditions(r.Fields)
	if r.build, err = newBuilder(r.Source, r.gvr); err != nil {
		return err
	}
	if err := r.recall(ctx); err != nil {
		return err
	}
	qps, burst := effectiveQPS(r.Config)
	r.out.Logger.Info("resource source watches", "resource", r.gvr.String(), "namespaces", r.Namespaces, "selector", r.selector,
		"known", len(r.mem.known), "positions", r.mem.positions, "client_qps", qps, "client_burst", burst)
	return nil
}

// effectiveQPS says how many requests a second the client makes.
func effectiveQPS(c *rest.Config) (qps any, burst int) {
	switch {
	case c == nil:
		return "as Source.Client has it", 0
	case c.RateLimiter != nil:
		return c.RateLimiter.QPS(), c.Burst
	case c.QPS < 0:
		return "unlimited", 0
	}
	qps, burst = rest.DefaultQPS, rest.DefaultBurst
	if c.QPS > 0 {
		qps = c.QPS
	}
	if c.Burst > 0 {
		burst = c.Burst
	}
	return qps, burst
}

// recall loads what is known.
func (r *run) recall(ctx context.Context) error {
	if r.out.Store == nil {
		if r.last == nil {
			r.last = newMemory()
		}
		r.mem = r.last
		return nil
	}
	store := bounded{r.out.Store}
	cluster, err := r.cluster(ctx, store)
	if err != nil {
		return err
	}
	id, err := r.identity(cluster, r.gvr.GroupResource())
	if err != nil {
		return err
	}
	r.arch = &archive{store: store, id: id, log: r.out.Logger}
	err = r.retry(ctx, "store", func(ctx context.Context) (err error) {
		r.mem = newMemory()
		if r.before, err = r.arch.load(ctx, r.mem); err != nil {
			return fmt.Errorf("resource: load what is known from the Store: %w", err)
		}
		return nil
	})
	if err == nil && len(r.mem.positions) == 0 {
		r.out.Logger.Info("resource source has no state for this cluster, resource, selection and filters: this is a first start", "other_state", r.before, "after_start", r.AfterStart)
	}
	return err
}

// clusterKey is where the Store has the uid of the cluster that was last seen.
const clusterKey = "v1/cluster"

// cluster returns the uid of the cluster. Where it may not be read, as for a moment
// when an API server has just begun and knows no rights yet, it is the one that was
// last seen: to take the cluster for another would emit all objects again.
func (r *run) cluster(ctx context.Context, store bus.Store) (uid string, err error) {
	err = r.retry(ctx, "cluster", func(ctx context.Context) (err error) {
		uid, err = clusterID(ctx, r.clients.dynamic)
		return err
	})
	if err != nil {
		return "", err
	}
	seen := uid
	err = r.retry(ctx, "store", func(ctx context.Context) error {
		err := store.Update(ctx, clusterKey, func(old []byte) ([]byte, error) {
			if seen = uid; seen == "" {
				seen = string(old)
				return old, nil
			}
			return []byte(seen), nil
		})
		if err != nil {
			return fmt.Errorf("resource: load what is known from the Store: %w", err)
		}
		return nil
	})
	if uid == "" {
		r.out.Logger.Warn("resource source may not get the namespace kube-system, whose uid names the cluster: should the state be used with another cluster, it is not noticed at once", "taken_for", seen)
	}
	return seen, err
}

func (r *run) scopes() []*scope {
	namespaces := r.Namespaces
	if len(namespaces) == 0 {
		namespaces = []string{""}
	}
	var scopes []*scope
	for _, ns := range namespaces {
		scopes = append(scopes, newScope(r, ns))
	}
	return scopes
}

// retry calls f until it succeeds, or ctx ends, which is the only error.
func (r *run) retry(ctx context.Context, what string, f func(context.Context) error) error {
	for attempt := 1; ctx.Err() == nil; attempt++ {
		err := f(ctx)
		if err == nil {
			r.trouble.end(r.out.Logger, what)
			return nil
		}
		if ctx.Err() != nil {
			break
		}
		r.trouble.begin(r.out.Logger, what, err)
		pause := jitter(attempt, retryMin, retryMax)
		if errors.Is(err, errNoMatch) {
			pause = resetEvery
		}
		sleep(ctx, pause)
	}
	return ctx.Err()
}

// flushes tells the Store what changes, until ctx ends.
func (r *run) flushes(ctx context.Context, end context.CancelCauseFunc) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := r.flush(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			r.trouble.end(r.out.Logger, "state")
		case errors.Is(err, errNewEpoch):
			end(errSetBack)
		default:
			r.trouble.begin(r.out.Logger, "state", fmt.Errorf("resource: what is known cannot be kept in the Store; after a restart some events come again: %w", err))
		}
	}
}

// flush tells the Store, if there is one, what has changed. When that fails, or
// ctx ends, what the Store has been told already is not told again.
func (r *run) flush(ctx context.Context) error {
	c := r.mem.collect(time.Now())
	if r.arch == nil {
		return nil
	}
	err := r.arch.save(ctx, c)
	if err != nil {
		r.mem.restore(c)
	}
	return err
}

// beginAnew has all that is known forgotten: the cluster was set back.
func (r *run) beginAnew(ctx context.Context, list, position string) error {
	r.out.Logger.Error("the cluster is older than what the resource source knows, as after a backup was restored: it begins as at a first start",
		"list", list, "position", position)
	if r.arch != nil {
		if err := r.arch.beginAnew(ctx); err != nil {
			return fmt.Errorf("resource: begin anew: %w", err)
		}
	}
	return errSetBack
}

// jitter is a wait with full jitter before the next attempt.
func jitter(attempt int, least, most time.Duration) time.Duration {
	return rand.N(min(least<<min(attempt-1, 10), most)) + 1
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
