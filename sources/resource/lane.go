package resource

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// observation is how the source came to know of a state of an object.
type observation int

const (
	changed observation = iota // a watch says so
	deleted                    // a watch says so
	listed                     // a list has it
	missing                    // a list does not have it any more
)

// task is a state of an object to be handled.
type task struct {
	scope *scope
	step  *step
	what  observation
	uid   types.UID
	obj   *unstructured.Unstructured // nil: it is missing

	known   entry  // of what is missing
	version string // of the list that does not have it
	quiet   bool   // to be remembered only, if nothing is known of it
	unsure  bool   // another process may have emitted its ADD
}

// dispatch gives t to the lane of its object. All that was read up to version,
// if there is one, is done with when it is.
func (s *scope) dispatch(ctx context.Context, t task, version string) error {
	var err error
	if t.step, err = s.tracker.begin(ctx, version); err != nil {
		return err
	}
	t.scope = s
	select {
	case s.lanes[maphash.String(s.seed, string(t.uid))%laneCount] <- t:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work handles what comes in a lane until ctx ends. What is not finished by then
// holds the position back.
func (r *run) work(ctx context.Context, lane <-chan task) {
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-lane:
			if r.handle(ctx, t) {
				t.scope.tracker.finish(t.step)
			}
		}
	}
}

// handle emits what a task means, and remembers it. It returns false when ctx has
// ended first.
func (r *run) handle(ctx context.Context, t task) bool {
	known, ok, old := r.mem.get(t.uid)
	if t.what == missing {
		return r.handleMissing(ctx, t)
	}
	typ, news := judge(known, ok, t.what, t.obj.GetResourceVersion())
	if !news {
		return true
	}
	t.quiet = t.quiet && !ok // a first list that was broken off has remembered it
	h := happening{typ: typ, uid: string(t.uid), version: t.obj.GetResourceVersion(), old: old}
	managed, managers := stripManaged(t.obj.Object)
	h.at = happened(typ, t.obj, managed)
	if !r.Secrets && r.gvr.Group == "" && r.gvr.Resource == "secrets" {
		hideSecret(t.obj.Object)
	}
	again := typ == Add && t.unsure && !t.quiet && touched(t.obj, managed, managers, time.Now())
	e := entry{Name: nameOf(t.obj), Version: h.version}
	done, err := r.tell(ctx, t, h, again, e)
	if err != nil {
		r.out.Logger.Error("an object cannot be written as JSON and is left out", "object", e.Name, "error", err)
		r.counters.refused.Add(1)
	}
	return done
}

// judge says what a state of an object is, given what is known of it, and whether
// it is news.
func judge(known entry, ok bool, what observation, version string) (typ Type, news bool) {
	order := 1
	if ok {
		order = compareVersions(version, known.Version)
	}
	switch {
	case what == deleted: // some servers tell the version that the object had
		return Delete, order >= 0 && known.Gone == 0
	case order <= 0:
		return Update, order == 0 && known.Owed
	case !ok || known.Gone != 0:
		return Add, true
	default:
		return Update, true
	}
}

// happened is when it did, as far as the object says.
func happened(typ Type, obj *unstructured.Unstructured, managed time.Time) time.Time {
	switch typ {
	case Add:
		return obj.GetCreationTimestamp().Time
	case Delete:
		if at := obj.GetDeletionTimestamp(); at != nil {
			return at.Time
		}
		return time.Time{}
	default:
		return managed
	}
}

func nameOf(obj *unstructured.Unstructured) string {
	if ns := obj.GetNamespace(); ns != "" {
		return ns + "/" + obj.GetName()
	}
	return obj.GetName()
}

// tell emits h, if it is wanted, and remembers e.
func (r *run) tell(ctx context.Context, t task, h happening, again bool, e entry) (done bool, err error) {
	wanted := !t.quiet && (r.wants(h.typ) || again && r.wants(Update))
	if !wanted && len(r.conditions) == 0 && !r.OldBody {
		r.remember(t, h.typ, e, nil)
		return true, nil
	}
	err = r.buffers.encode(t.obj.Object, func(body []byte) error {
		h.body = body
		e.Outside = !hold(r.conditions, body)
		if wanted && !e.Outside && !r.emitWanted(ctx, t, h, again, e) {
			return nil
		}
		done = true
		var keep []byte
		if r.OldBody {
			keep = bytes.Clone(body)
		}
		r.remember(t, h.typ, e, keep)
		return nil
	})
	if err != nil {
		r.remember(t, h.typ, e, nil)
		return true, err
	}
	return done, nil
}

// emitWanted emits h; again says that its ADD may be taken for one that was
// emitted before it was changed, so that the change needs an event of its own.
// Should ctx end between the two, e is remembered, and that one is owed.
func (r *run) emitWanted(ctx context.Context, t task, h happening, again bool, e entry) bool {
	if r.wants(h.typ) && !r.emit(ctx, h, t.obj) {
		return false
	}
	if again && r.wants(Update) {
		e.Owed = true
		r.remember(t, h.typ, e, nil)
		h.typ = Update
		return r.emit(ctx, h, t.obj)
	}
	return true
}

func (r *run) remember(t task, typ Type, e entry, body []byte) {
	if typ == Delete {
		e.Gone, body = time.Now().Unix(), nil
	}
	r.mem.put(t.uid, e, body)
}

// handleMissing emits that an object is gone of which no more is known than its
// name.
func (r *run) handleMissing(ctx context.Context, t task) bool {
	e := t.known
	if r.wants(Delete) && !e.Outside {
		r.counters.partial.Add(1)
		done := false
		ns, name := e.namespace(), e.Name
		if ns != "" {
			name = e.Name[len(ns)+1:]
		}
		err := r.buffers.encode(remains(r.gvk, string(t.uid), ns, name, e.Version), func(body []byte) error {
			done = r.emit(ctx, happening{typ: Delete, uid: string(t.uid), version: e.Version, body: body, partial: true}, nil)
			return nil
		})
		if err == nil && !done {
			return false
		}
	}
	e.Version, e.Gone = t.version, time.Now().Unix()
	r.mem.put(t.uid, e, nil)
	return true
}

// emit emits h until the bus has taken it, or never will; when it is too large
// for it, with less in it. It returns false when ctx has ended first.
func (r *run) emit(ctx context.Context, h happening, obj *unstructured.Unstructured) bool {
	err := r.emitEvent(ctx, h)
	if errors.Is(err, bus.ErrRejected) && h.old != nil {
		h.old = nil
		err = r.emitEvent(ctx, h)
	}
	if errors.Is(err, bus.ErrRejected) && obj != nil {
		r.counters.truncated.Add(1)
		err = r.emitTruncated(ctx, h, obj)
	}
	switch {
	case err == nil:
		return true
	case hearken.IsPermanent(err):
		r.counters.refused.Add(1)
		r.out.Logger.Error("event will never be taken and is given up", "type", h.typ, "uid", h.uid, "error", err)
		return true
	default:
		return false
	}
}

// emitTruncated emits h with the metadata of its object, and if that is too large
// too, with what names it.
func (r *run) emitTruncated(ctx context.Context, h happening, obj *unstructured.Unstructured) error {
	h.truncated = true
	var err error
	for _, less := range []map[string]any{
		bare(obj),
		remains(obj.GroupVersionKind(), h.uid, obj.GetNamespace(), obj.GetName(), h.version),
	} {
		encoding := r.buffers.encode(less, func(body []byte) error {
			h.body = body
			err = r.emitEvent(ctx, h)
			return nil
		})
		if err = errors.Join(err, encoding); !errors.Is(err, bus.ErrRejected) {
			return err
		}
	}
	return err
}

// emitEvent emits h until it is taken, or never will be, which is a Permanent
// error, or ctx has ended, whose error it returns then. While the bus is full it
// waits.
func (r *run) emitEvent(ctx context.Context, h happening) error {
	e, err := r.build.event(h)
	if err != nil {
		return hearken.Permanent(err)
	}
	for attempt := 1; ; attempt++ {
		err := r.out.Emit(ctx, e)
		if err == nil || hearken.IsPermanent(err) {
			return err
		}
		r.out.Logger.Debug("event was not taken and will be emitted again", "id", e.ID(), "error", err, "attempt", attempt)
		if !sleep(ctx, jitter(attempt, emitMin, emitMax)) {
			return ctx.Err()
		}
	}
}
