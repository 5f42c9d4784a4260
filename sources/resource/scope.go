package resource

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
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
)

// scope is a namespace that is watched, or all of them.
type scope struct {
	*run
	namespace string // "": all
	client    dynamic.ResourceInterface
	tracker   tracker
	read      string // the resourceVersion to go on from; "": list
	unsure    bool   // the cluster was away, and may have been set back
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
	for attempt := 1; ctx.Err() == nil; attempt++ {
		began := time.Now()
		err := s.follow(ctx, func() { s.trouble.end(s.out.Logger, what) })
		if time.Since(began) > settled {
			attempt = 1
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
		case isExpired(err):
			s.out.Logger.Info("the cluster does not tell any more what happened since: listing again", "position", s.read, "error", err)
			s.read = ""
			if attempt == 1 {
				continue
			}
		default:
			s.unsure = true
			s.trouble.begin(s.out.Logger, what, err)
			if apierrors.IsNotFound(err) && s.mapped() && attempt > 3 {
				return errAnew // its version may be gone, and another there
			}
		}
		sleep(ctx, pauseAfter(err, attempt))
	}
	return nil
}

// pauseAfter is how long to wait after a failure, at least as long as the cluster
// asks.
func pauseAfter(err error, attempt int) time.Duration {
	pause := jitter(attempt, retryMin, retryMax)
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		pause = max(pause, time.Duration(seconds)*time.Second)
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
	page, err := s.client.List(ctx, metav1.ListOptions{LabelSelector: s.selector, Limit: 1})
	if err != nil {
		return explain(err, "list", s.gvr, s.namespace)
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
	return nil
}

// pages lists the objects, page by page, and has those handled that have changed.
func (s *scope) pages(ctx context.Context, position string) (version string, seen map[types.UID]struct{}, err error) {
	seen = map[types.UID]struct{}{}
	opts := metav1.ListOptions{LabelSelector: s.selector, Limit: pageSize}
	for {
		page, err := s.client.List(ctx, opts)
		if isExpired(err) && opts.Continue != "" { // a full bus has kept it waiting
			opts.Continue, version = "", ""
			clear(seen)
			continue
		}
		if err != nil {
			return "", nil, explain(err, "list", s.gvr, s.namespace)
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

// watch has what happens after s.read handled, until the watch ends.
func (s *scope) watch(ctx context.Context, well func()) error {
	life := watchLife + rand.N(watchLife)
	seconds := int64(life / time.Second)
	w, err := s.client.Watch(ctx, metav1.ListOptions{
		LabelSelector: s.selector, ResourceVersion: s.read, AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return explain(err, "watch", s.gvr, s.namespace)
	}
	defer w.Stop()
	well()
	late := time.NewTimer(life + watchGrace)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-late.C: // the connection may be dead
			return nil
		case e, ok := <-w.ResultChan():
			if !ok {
				return nil
			}
			if err := s.take(ctx, e); err != nil {
				return err
			}
		}
	}
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
	if version == "" {
		return fmt.Errorf("resource: watch %s: got an object without a resourceVersion: %s %s/%s", s.gvr.GroupResource(), obj.GetKind(), obj.GetNamespace(), obj.GetName())
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
