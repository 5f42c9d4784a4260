package resource

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

const (
	// pageSize is how many objects a list brings at once.
	pageSize = 500
	// watchLife is how long a watch is asked for at least; at most twice as long.
	watchLife = 5 * time.Minute
	// watchGrace is how much longer the cluster may take to end one.
	watchGrace = time.Minute
	// settled is how long a watch goes well before its next failure is the first.
	settled = 5 * time.Second
	// answerTime is how long the cluster may take to answer. It gives itself a
	// minute.
	answerTime = 90 * time.Second
	// maxDelay is how long a cluster that asks for a pause is left alone at most.
	maxDelay = time.Minute
	// maxListings is how often a list begins again since its pages are too old.
	maxListings = 3
	// maxCuts is how many watches in a row may end at once, as those of a cluster
	// that is upgraded do, before it is trouble.
	maxCuts = 2
)

var (
	errNoAnswer = fmt.Errorf("the cluster has not answered within %v", answerTime)
	errCut      = errors.New("the watch ended at once, without telling anything")
)

// scope is a namespace that is watched, or all of them.
type scope struct {
	*run
	namespace string // "": all
	client    dynamic.ResourceInterface
	tracker   tracker
	read      string // the resourceVersion to go on from; "": list
	unsure    bool   // the cluster may have been away, and set back
	looked    bool   // for the namespace
	shaky     bool   // the last watch began well and failed
}

func newScope(r *run, namespace string) *scope {
	s := &scope{run: r, namespace: namespace, client: r.client, read: r.mem.position(namespace), unsure: true}
	if namespace != "" {
		s.client = r.client.Namespace(namespace)
	}
	s.tracker.reached = func(version string) { r.mem.moveTo(namespace, version) }
	return s
}

// keep lists and watches until ctx ends, which is no error.
func (s *scope) keep(ctx context.Context) error {
	what := "watch"
	if s.namespace != "" {
		what += " in " + s.namespace
	}
	expiries := 0 // in a row
	for attempt := 1; ctx.Err() == nil; attempt++ {
		began := time.Now()
		err := s.follow(ctx, func() { s.trouble.end(s.out.Logger, what) })
		if time.Since(began) > settled {
			attempt, expiries = 1, 0
		}
		switch {
		case ctx.Err() != nil:
			continue
		case errors.Is(err, errAnew):
			return err
		case err == nil: // the watch has ended, as each does
			if time.Since(began) > settled {
				continue
			}
		case errors.Is(err, errCut):
			if attempt > maxCuts {
				s.shaky = true
				s.trouble.begin(s.out.Logger, what, err)
			}
		case isExpired(err):
			s.out.Logger.Info("the cluster does not tell any more what happened since: listing again", "position", s.read, "error", err)
			s.read = ""
			if expiries++; expiries > 1 { // though it was listed anew
				s.shaky = true
				s.trouble.begin(s.out.Logger, what, err)
			}
			if attempt == 1 {
				continue
			}
		default:
			s.unsure = true
			s.trouble.begin(s.out.Logger, what, err)
			if apierrors.IsNotFound(err) && attempt > 3 && s.mayBeMistaken() {
				return errNotServed // its version may be gone, and another there
			}
		}
		sleep(ctx, pauseAfter(err, attempt))
	}
	return nil
}

// pauseAfter is how long to wait after a failure, at least as long as the cluster
// asks, within reason.
func pauseAfter(err error, attempt int) time.Duration {
	pause := jitter(attempt, retryMin, retryMax)
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		pause = max(pause, min(time.Duration(seconds)*time.Second, maxDelay))
	}
	return pause
}

// follow lists, if it must, and watches until that ends.
func (s *scope) follow(ctx context.Context, well func()) error {
	if s.read == "" {
		if err := s.list(ctx); err != nil {
			return err
		}
	} else if s.unsure {
		if err := s.ask(ctx); err != nil {
			return err
		}
	}
	s.unsure = false
	return s.watch(ctx, well)
}

// ask finds out whether the cluster was set back to before s.read: a watch from a
// resourceVersion to come would be silent until it has come.
func (s *scope) ask(ctx context.Context) error {
	page, err := s.page(ctx, metav1.ListOptions{LabelSelector: s.selector, Limit: 1})
	if err != nil {
		return err
	}
	return s.notOlder(ctx, page.GetResourceVersion(), s.read)
}

// notOlder begins anew when version comes before known.
func (s *scope) notOlder(ctx context.Context, version, known string) error {
	if known != "" && isNumber(version) && isNumber(known) && compareVersions(version, known) < 0 {
		return s.beginAnew(ctx, version, known)
	}
	return nil
}

// list finds out what has changed by listing all objects, and from where on to
// watch.
func (s *scope) list(ctx context.Context) error {
	if err := s.tracker.wait(ctx); err != nil {
		return err
	}
	position := s.mem.position(s.namespace)
	if position != "" {
		s.counters.relists.Add(1)
	}
	version, seen, err := s.pages(ctx, position)
	if err != nil {
		return err
	}
	if err := s.tracker.wait(ctx); err != nil {
		return err
	}
	for uid, e := range s.mem.missing(s.namespace, seen) {
		if err := s.dispatch(ctx, task{uid: uid, what: missing, known: e, version: version}, ""); err != nil {
			return err
		}
	}
	if err := s.tracker.wait(ctx); err != nil {
		return err
	}
	s.mem.moveTo(s.namespace, version)
	s.read = version
	if len(seen) == 0 && s.namespace != "" {
		s.lookForNamespace(ctx)
	}
	return nil
}

// lookForNamespace warns, once, of a namespace that does not exist: the cluster
// lists no objects in it, as if there were just none yet. Without the right to see
// it there is no warning.
func (s *scope) lookForNamespace(ctx context.Context) {
	if s.looked {
		return
	}
	s.looked = true
	ctx, cancel := context.WithTimeout(ctx, retryMax)
	defer cancel()
	if _, err := s.clients.dynamic.Resource(namespaces).Get(ctx, s.namespace, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		s.out.Logger.Warn("resource source watches a namespace that does not exist, or not yet", "namespace", s.namespace)
	}
}

// pages lists the objects, page by page, and has those handled that have changed.
func (s *scope) pages(ctx context.Context, position string) (version string, seen map[types.UID]struct{}, err error) {
	seen = map[types.UID]struct{}{}
	opts := metav1.ListOptions{LabelSelector: s.selector, Limit: pageSize}
	for listings := 1; ; {
		page, err := s.page(ctx, opts)
		if isExpired(err) && opts.Continue != "" && listings < maxListings { // a full bus has kept it waiting
			listings++
			opts.Continue, version = "", ""
			clear(seen)
			continue
		}
		if err != nil {
			return "", nil, err
		}
		if version == "" {
			version = page.GetResourceVersion()
			if err := s.notOlder(ctx, version, position); err != nil {
				return "", nil, err
			}
		}
		for i := range page.Items {
			obj := &page.Items[i]
			if !s.concerns(obj) {
				continue
			}
			if err := s.identified(obj); err != nil {
				return "", nil, err
			}
			fillKind(obj, page)
			seen[obj.GetUID()] = struct{}{}
			t := task{uid: obj.GetUID(), what: listed, obj: obj, quiet: s.AfterStart && position == "", unsure: s.before || position != ""}
			if err := s.dispatch(ctx, t, ""); err != nil {
				return "", nil, err
			}
		}
		if opts.Continue = page.GetContinue(); opts.Continue == "" {
			return version, seen, nil
		}
	}
}

// page asks for some of the objects.
func (s *scope) page(ctx context.Context, opts metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errNoAnswer)
	defer cancel()
	page, err := s.client.List(ctx, opts)
	if err != nil {
		return nil, explain(orNoAnswer(ctx, err), "list", s.gvr, s.namespace)
	}
	return page, nil
}

// orNoAnswer returns errNoAnswer if that is why ctx, and so the request that failed
// with err, has ended.
func orNoAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), errNoAnswer) {
		return errNoAnswer
	}
	return err
}

// identified refuses an object that cannot be told from others.
func (s *scope) identified(obj *unstructured.Unstructured) error {
	if obj.GetUID() == "" || obj.GetResourceVersion() == "" {
		return fmt.Errorf("resource: the cluster has %s without a uid or resourceVersion, such as %s", s.gvr.GroupResource(), nameOf(obj))
	}
	return nil
}

// fillKind gives an object of a list the kind that only the list may say.
func fillKind(obj *unstructured.Unstructured, page *unstructured.UnstructuredList) {
	if obj.GetKind() == "" {
		obj.SetKind(strings.TrimSuffix(page.GetKind(), "List"))
		obj.SetAPIVersion(page.GetAPIVersion())
	}
}

// concerns reports whether an object is watched. That never changes.
func (s *scope) concerns(obj *unstructured.Unstructured) bool {
	return strings.HasPrefix(obj.GetName(), s.NamePrefix) &&
		(s.CreatedBy.IsZero() || !obj.GetCreationTimestamp().After(s.CreatedBy))
}

// watch has what happens after s.read handled, until the watch ends. It calls well
// when it goes well: once it is open, but where the one before failed then, once it
// has told something or stood for a while.
func (s *scope) watch(ctx context.Context, well func()) error {
	life, began := watchLife+rand.N(watchLife), time.Now()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w, err := s.open(ctx, cancel, life)
	if err != nil {
		return err
	}
	defer w.Stop()
	well = sync.OnceFunc(well)
	if !s.shaky {
		well()
	}
	s.shaky = false
	late, steady := time.NewTimer(life+watchGrace), time.NewTimer(settled)
	defer late.Stop()
	defer steady.Stop()
	for young := true; ; young = false {
		select {
		case <-ctx.Done():
			return nil
		case <-late.C: // the connection may be dead
			s.unsure = true
			return nil
		case <-steady.C:
			well()
		case e, ok := <-w.ResultChan():
			if !ok {
				return s.ended(young, life, time.Since(began))
			}
			if err := s.take(ctx, e); err != nil {
				s.shaky = !isExpired(err)
				return err
			}
			well()
		}
	}
}

// ended judges the end of a watch that was asked for life: one that has not lasted
// that long, or longer since a full bus kept it from being read, may have been cut
// off by a cluster that was away then.
func (s *scope) ended(young bool, life, lasted time.Duration) error {
	s.unsure = lasted < life-time.Second || lasted > life+watchGrace
	if young {
		return explain(errCut, "watch", s.gvr, s.namespace)
	}
	return nil
}

// open opens a watch, for which cancel ends ctx when there is no answer.
func (s *scope) open(ctx context.Context, cancel context.CancelCauseFunc, life time.Duration) (watch.Interface, error) {
	seconds := int64(life / time.Second)
	late := time.AfterFunc(answerTime, func() { cancel(errNoAnswer) })
	defer late.Stop()
	w, err := s.client.Watch(ctx, metav1.ListOptions{
		LabelSelector: s.selector, ResourceVersion: s.read, AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return nil, explain(orNoAnswer(ctx, err), "watch", s.gvr, s.namespace)
	}
	return w, nil
}

// take has an event of a watch handled. While all lanes are busy, since the bus is
// full, it waits, and nothing is read.
func (s *scope) take(ctx context.Context, e watch.Event) error {
	if e.Type == watch.Error {
		return explain(apierrors.FromObject(e.Object), "watch", s.gvr, s.namespace)
	}
	obj, ok := e.Object.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("resource: watch %s: got a %T", s.gvr.GroupResource(), e.Object)
	}
	version := obj.GetResourceVersion()
	if e.Type == watch.Bookmark && version == "" {
		return nil
	}
	if err := s.identified(obj); err != nil && e.Type != watch.Bookmark {
		return err
	}
	switch {
	case e.Type == watch.Bookmark, !s.concerns(obj):
		step, err := s.tracker.begin(ctx, version)
		if err != nil {
			return err
		}
		s.tracker.finish(step)
	case e.Type == watch.Added, e.Type == watch.Modified:
		if err := s.dispatch(ctx, task{uid: obj.GetUID(), what: changed, obj: obj}, version); err != nil {
			return err
		}
	case e.Type == watch.Deleted:
		if err := s.dispatch(ctx, task{uid: obj.GetUID(), what: deleted, obj: obj}, version); err != nil {
			return err
		}
	default:
		return fmt.Errorf("resource: watch %s: got an event of type %q", s.gvr.GroupResource(), e.Type)
	}
	s.read = version
	return nil
}
