package join

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// hourKept is how long an hour that is over stays in the register, for those
// whose clock is behind.
const hourKept = time.Hour

// Loss is an event that waits no longer without having been fired with.
type Loss struct {
	Action string
	Event  Event
	Pos    bus.Pos
	// Reset says that it was a Reset that ended it, as was asked for.
	Reset bool
	// Err says why, and what it had.
	Err error
}

// Bury takes a loss, for good: with nil it is forgotten here.
type Bury func(ctx context.Context, l Loss) error

// swept is what is remembered between sweeps. It is the sweeper's alone.
type swept struct {
	next     int64          // the first minute that has not been looked at
	open     map[int64]bool // minutes before it that something was left in
	reviewed time.Time      // when what has no deadline was looked at
	versions time.Time      // when the versions were looked at
}

// Sweep looks at what is due: it gives what waits no longer to bury, and forgets
// what has been quiet for MarkAge. floor is how far the group of the sensor has
// settled everything: a part ends when nothing that was stored before its
// deadline is still to come. Call it about once a minute, from each process;
// sweeps of several processes do not harm each other, and within one a second does
// nothing while the first is under way. After an error the rest is looked at the
// next time.
func (e *Engine) Sweep(ctx context.Context, floor bus.Floor, bury Bury) error {
	if !e.sweeping.CompareAndSwap(false, true) {
		return nil
	}
	defer e.sweeping.Store(false)
	now := time.Now()
	e.note(floor, now)
	s := &sweep{Engine: e, floor: floor, bury: bury, now: now}
	return errors.Join(s.due(ctx), s.review(ctx), s.versions(ctx))
}

// agedFloor is a floor and when it was asked for.
type agedFloor struct {
	bus.Floor
	at time.Time
}

// note keeps a floor until it is old enough to forget positions by.
func (e *Engine) note(floor bus.Floor, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	latest := &e.floors[0]
	if !latest.at.IsZero() && now.Sub(latest.at).Abs() < floorMargin {
		return
	}
	e.floors[1] = *latest
	*latest = agedFloor{floor, now}
}

// forget drops the positions of an entry that the bus will not deliver again.
func (e *Engine) forget(en *entry) {
	e.mu.Lock()
	logs := e.floors[1].Logs
	e.mu.Unlock()
	for i := range en.marks {
		m := &en.marks[i]
		if n := len(m.above); n > 0 {
			m.raise(min(logs[m.log], m.above[n-1].to))
		}
	}
}

// sweep is one call of Sweep.
type sweep struct {
	*Engine
	floor bus.Floor
	bury  Bury
	now   time.Time
}

// due looks at the minutes that have come.
func (s *sweep) due(ctx context.Context) error {
	hours, err := s.loadHours(ctx)
	if err != nil {
		return err
	}
	now := minuteOf(s.now)
	if s.swept.next > now+1 { // the clock was set back
		s.swept.next = now
	}
	from := s.swept.next
	s.mu.Lock()
	maps.DeleteFunc(s.hours, func(hour int64, _ bool) bool { return hour < now/60 }) // another may take it out
	s.mu.Unlock()
	for _, hour := range hours {
		switch {
		case hour > now/60:
		case hour < now/60:
			err = errors.Join(err, s.pastHour(ctx, hour))
		default:
			err = errors.Join(err, s.thisHour(ctx, max(from, hour*60), now))
		}
	}
	if err == nil {
		s.swept.next = now + 1
	}
	return err
}

// pastHour looks at all that an hour has, and takes it out of the register when
// that is nothing any more.
func (s *sweep) pastHour(ctx context.Context, hour int64) error {
	left, err := s.visitAll(ctx, s.hour(hour))
	for m := range s.swept.open {
		if m/60 == hour {
			delete(s.swept.open, m)
		}
	}
	if err != nil || left || s.now.Before(time.Unix((hour+1)*3600, 0).Add(hourKept)) {
		return err
	}
	return s.register(ctx, hour, false)
}

// thisHour looks at the minutes that have come since, and at those that something
// was left in.
func (s *sweep) thisHour(ctx context.Context, from, now int64) error {
	for m := from; m <= now; m++ {
		s.swept.open[m] = true
	}
	var errs []error
	for _, m := range slices.Sorted(maps.Keys(s.swept.open)) {
		if m/60 != now/60 {
			continue
		}
		left, err := s.visitAll(ctx, s.minute(m))
		errs = append(errs, err)
		if err == nil && !left {
			delete(s.swept.open, m)
		}
	}
	return errors.Join(errs...)
}

// review looks at what waits without a deadline.
func (s *sweep) review(ctx context.Context) error {
	if !s.swept.reviewed.IsZero() && s.now.Sub(s.swept.reviewed).Abs() < reviewAge {
		return nil
	}
	_, err := s.visitAll(ctx, s.waiting())
	if err == nil {
		s.swept.reviewed = s.now
	}
	return err
}

// visitAll looks at all that is stored below a prefix, and reports whether
// something was left there.
func (s *sweep) visitAll(ctx context.Context, prefix string) (left bool, err error) {
	var errs []error
	for item, err := range s.store.List(ctx, prefix) {
		if err != nil {
			return true, errors.Join(append(errs, err)...)
		}
		done, err := s.visit(ctx, item)
		if err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", item.Key, err))
		}
		left = left || !done
	}
	return left, errors.Join(errs...)
}

func (s *sweep) visit(ctx context.Context, item bus.Entry) (done bool, err error) {
	key, isPart, ok := unflat(item.Key)
	switch {
	case !ok:
		return true, s.setAside(ctx, item.Key, item.Value, errCorrupt)
	case isPart:
		return s.visitPart(ctx, key, item)
	}
	return s.visitEntry(ctx, key, item.Key)
}

// visitPart ends a part whose time has come, and deletes one that nothing refers
// to any more.
func (s *sweep) visitPart(ctx context.Context, key string, item bus.Entry) (done bool, err error) {
	p, err := decodePart(item.Value)
	if errors.Is(err, errLater) {
		return false, err
	}
	if err != nil {
		_, uerr := s.unrefer(ctx, key, item.Key)
		return true, errors.Join(uerr, s.setAside(ctx, item.Key, item.Value, err))
	}
	en, err := s.load(ctx, key)
	if err != nil {
		return false, err
	}
	is := func(r ref) bool { return r.pos == p.ref.pos && r.bucket == s.bucketOf(item.Key) }
	if i := slices.IndexFunc(en.parts, is); i >= 0 {
		return s.expire(ctx, key, item.Key, en, i, p)
	}
	for i := range en.firing {
		if f := &en.firing[i]; slices.ContainsFunc(f.refs, is) {
			return s.abandon(ctx, key, en.action, f)
		}
	}
	switch untaken := func(d string) bool { return !en.taken(d, p.ref.pos) }; {
	case !slices.ContainsFunc(p.Dependencies, untaken):
	case s.passed(&p.ref):
		if used, err := s.giveUp(ctx, key, p); err != nil || used {
			return false, err
		}
	default: // it is being taken
		return false, nil
	}
	s.drop(ctx, item.Key)
	return true, nil
}

// giveUp buries a part that its entry knows nothing of, and sees to it that the
// entry does not come to refer to it: a delivery of a log that is gone may be under
// way. It reports whether that came first.
func (s *sweep) giveUp(ctx context.Context, key string, p *part) (used bool, err error) {
	l := Loss{Action: p.action, Event: p.Event, Pos: p.ref.pos, Err: errors.New("what was remembered of its join is lost")}
	if err := s.bury(ctx, l); err != nil {
		return false, err
	}
	err = s.change(ctx, key, func(en *entry) bool {
		if used = en.refers(p.ref.pos); used {
			return false
		}
		en.action, en.last = p.action, s.now
		en.mark("", p.ref.pos.Log).add(p.ref.pos.Seq) // it alone
		return true
	})
	return used, err
}

// passed reports whether the bus will not deliver an event any more. One of a log
// that the floor does not have is gone with it, unless the log is newer.
func (s *sweep) passed(r *ref) bool {
	floor, ok := s.floor.Logs[r.pos.Log]
	if !ok {
		return r.stored.Before(s.floor.Time)
	}
	return r.pos.Seq <= floor
}

// expire ends a part of en whose deadline has passed.
func (s *sweep) expire(ctx context.Context, key, partKey string, en *entry, i int, p *part) (done bool, err error) {
	r := &en.parts[i]
	if r.deadline.after(s.floor.Time) {
		return false, nil
	}
	p.Dependencies = r.deps
	return true, s.end(ctx, key, partKey, Loss{
		Action: en.action, Event: p.Event, Pos: r.pos, Reset: r.deadline.reset, Err: s.whyExpired(en, r),
	})
}

// end buries a part, and then takes it from its entry.
func (s *sweep) end(ctx context.Context, key, partKey string, l Loss) error {
	if err := s.bury(ctx, l); err != nil {
		return err
	}
	used, err := s.unrefer(ctx, key, partKey)
	if err == nil && !used {
		s.drop(ctx, partKey)
	}
	return err
}

// unrefer takes a part from those that wait in an entry. It reports whether the
// part is used by a firing: a delivery that the bus knows nothing of any more may
// have come first.
func (s *sweep) unrefer(ctx context.Context, key, partKey string) (used bool, err error) {
	is := func(r ref) bool { return s.part(key, &r) == partKey }
	err = s.change(ctx, key, func(en *entry) bool {
		used = slices.ContainsFunc(en.firing, func(p pending) bool { return slices.ContainsFunc(p.refs, is) })
		n := len(en.parts)
		en.parts = slices.DeleteFunc(en.parts, is)
		return len(en.parts) < n
	})
	return used, err
}

// whyExpired says what a part waited for, and what it had.
func (s *sweep) whyExpired(en *entry, r *ref) error {
	had := slices.Clone(r.deps)
	for i := range en.parts {
		if o := &en.parts[i]; o.version == r.version && o.together(r) {
			had = append(had, without(o.deps, had)...)
		}
	}
	what := "expired"
	if r.deadline.reset {
		what = "was reset"
	}
	text := fmt.Sprintf("the join %s at %s with %s", what, r.deadline.at.UTC().Format(time.RFC3339), quoted(had))
	if a := s.actions[en.action]; a != nil && a.Version == r.version {
		text += "; it had no " + quoted(without(a.Dependencies, had))
	}
	if en.keyed {
		text += fmt.Sprintf("; key %q", en.key)
	}
	return errors.New(text)
}

func quoted(names []string) string {
	return `"` + strings.Join(names, `", "`) + `"`
}

// abandon ends a firing that nobody will clear: what completed it was settled all
// the same, or is gone with its log.
func (s *sweep) abandon(ctx context.Context, key, action string, f *pending) (done bool, err error) {
	completed := slices.IndexFunc(f.refs, func(r ref) bool { return r.pos == f.pos })
	if completed >= 0 && !s.passed(&f.refs[completed]) {
		return false, nil
	}
	why := fmt.Errorf("the event that completed firing %s is not delivered any more", f.text())
	for i := range f.refs {
		r := &f.refs[i]
		if !r.part {
			continue
		}
		p, err := s.fetch(ctx, s.part(key, r))
		if errors.Is(err, ErrPart) {
			if err = s.missing(ctx, key, err, func(en *entry) bool { return en.fires(f.pos) }); err == nil {
				continue
			}
		}
		if err != nil {
			return false, err
		}
		p.Dependencies = r.deps
		if err := s.bury(ctx, Loss{Action: action, Event: p.Event, Pos: r.pos, Err: why}); err != nil {
			return false, err
		}
	}
	return true, s.Clear(ctx, &Firing{entry: key, pending: *f})
}

// missing reports that a part is missing, if the entry still needs it: another
// sweep may have been faster.
func (s *sweep) missing(ctx context.Context, key string, why error, needs func(*entry) bool) error {
	en, err := s.load(ctx, key)
	if err == nil && needs(en) {
		s.report(why)
	}
	return err
}

// visitEntry forgets an entry that has been quiet for long, or puts that off.
func (s *sweep) visitEntry(ctx context.Context, key, reminder string) (done bool, err error) {
	old := func(en *entry) bool { return en.idle() && s.now.Sub(en.last) >= MarkAge }
	en, err := s.load(ctx, key)
	if err != nil {
		return false, err
	}
	for _, f := range slices.Clone(en.firing) { // one without parts is met nowhere else
		done, err := s.abandon(ctx, key, en.action, &f)
		if err != nil {
			return false, err
		}
		if done {
			en.clear(f.pos)
		}
	}
	if !en.last.IsZero() && !old(en) {
		at := en.last.Add(MarkAge)
		if !en.idle() {
			at = s.now.Add(MarkAge)
		}
		if err := s.remind(ctx, key, at); err != nil {
			return false, err
		}
	} else if err := s.change(ctx, key, func(en *entry) bool {
		en.forgotten = !en.last.IsZero() && old(en)
		return en.forgotten
	}); err != nil {
		return false, err
	}
	s.drop(ctx, reminder)
	return true, nil
}
