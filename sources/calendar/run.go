package calendar

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hearken-go/hearken"
)

const (
	// slice is the longest that the source sleeps without a look at the wall
	// clock, which may be set, or go on while the machine is suspended.
	slice = time.Minute
	// grace is how late the latest tick may be and not count as missed: a slice
	// during which the clock was set, and as much for a restart.
	grace = 2 * time.Minute
	// late is from when on another replica may have emitted a tick so long ago
	// that the bus has forgotten it: the Store is asked first, if it is not
	// known to fail.
	late = 5 * time.Second
	// ahead is how far the last run may lie ahead of the clock because the clock
	// was set back. Beyond, the clock was wrong when the last run was written,
	// and to wait for it would be to stand still for perhaps years.
	ahead = 24 * time.Hour
	// counted is how many missed ticks are gone through one by one.
	counted = 100_000

	retryMin = 500 * time.Millisecond
	retryMax = 30 * time.Second
)

// run is one Run of a Source.
type run struct {
	*Source
	out      hearken.Output
	last     *lastRun
	recorder *recorder
	gone     gap       // of which the log has not been told
	told     time.Time // when it last was
}

// resume finds up to when ticks are done with.
func (r *run) resume(ctx context.Context) error {
	now := r.wall()
	if r.began.IsZero() {
		r.began = now
		if r.CatchUp > 0 && r.out.Store == nil {
			r.out.Logger.Warn("calendar has no Store: ticks that are missed while the process is down cannot be made up for", "catch_up", r.CatchUp)
		}
	}
	from := r.began
	if r.done.After(from) {
		from = r.done
	}
	stored, err := r.last.load(ctx, from, now)
	if err != nil {
		return err
	}
	if stored.After(r.done) {
		r.done = stored
	}
	return nil
}

// tick goes from tick to tick.
func (r *run) tick(ctx context.Context) error {
	defer r.tell()
	for ctx.Err() == nil {
		now := r.wall()
		r.notAhead(now)
		if now.Sub(r.told).Abs() >= slice {
			r.tell()
		}
		tick, err := r.next(r.done)
		switch {
		case err != nil:
			return err
		case tick.IsZero():
			r.out.Logger.Info("calendar has no more ticks", "last", r.done)
			return nil
		case tick.After(now):
			sleep(ctx, min(tick.Sub(now), slice))
		case !r.last.failing.Load() && r.emittedElsewhere(ctx, tick):
		default:
			if err := r.due(ctx, tick, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// notAhead begins anew at now if the last run is impossibly far ahead. Was it the
// clock that was wrong, and is set right, then it goes on from that last run.
func (r *run) notAhead(now time.Time) {
	if r.doubted.After(r.done) && !now.Before(r.doubted) {
		r.done = r.doubted
		r.record()
	}
	if r.done.Sub(now) <= ahead {
		return
	}
	r.out.Logger.Error("calendar's last run is far ahead of the clock, one of which must be wrong: beginning anew", "last", r.done, "now", now)
	if r.done.After(r.doubted) {
		r.doubted = r.done
	}
	r.done = now
	r.record()
}

// emittedElsewhere reports whether tick is late and, as the Store says, done
// with by another replica.
func (r *run) emittedElsewhere(ctx context.Context, tick time.Time) bool {
	now := r.wall()
	if r.out.Store == nil || now.Sub(tick) <= late {
		return false
	}
	stored, ok := r.last.peek(ctx)
	if !ok || stored.Before(tick) || stored.Sub(now) > ahead {
		return false
	}
	r.out.Logger.Debug("ticks were emitted by another replica", "from", tick, "to", stored)
	r.done = stored
	return true
}

// due emits a tick whose time has come, unless it was missed.
func (r *run) due(ctx context.Context, tick, now time.Time) error {
	before := r.done
	// Where ctx has ended, pass may not have come to what was missed; Emit would
	// not notice.
	if err := r.pass(ctx, tick, now); err != nil || ctx.Err() != nil || !r.done.Equal(before) {
		return err
	}
	if r.excluded(tick) {
		r.out.Logger.Debug("tick is excluded", "tick", tick)
		r.done = tick
		return nil
	}
	return r.emit(ctx, tick)
}

func (r *run) excluded(tick time.Time) bool { return r.Exclude != nil && r.Exclude(tick) }

// pass goes over the ticks from tick on that are older than CatchUp. It keeps
// the latest of those that are due, if that is within grace.
func (r *run) pass(ctx context.Context, tick, now time.Time) error {
	oldest, before := now.Add(-r.CatchUp), r.done
	for seen := 1; !tick.IsZero() && tick.Before(oldest) && ctx.Err() == nil; seen++ {
		following, err := r.next(tick)
		if err != nil {
			return err
		}
		latest := following.IsZero() || following.After(now)
		if latest && now.Sub(tick) <= grace {
			break
		}
		r.drop(tick)
		if following.IsZero() {
			break
		}
		if far := now.Add(-max(r.CatchUp, grace) - 1); seen == counted && following.Before(far) {
			r.gone.more, r.done = true, far
			if following, err = r.next(far); err != nil {
				return err
			}
		}
		tick = following
	}
	if !r.done.Equal(before) {
		r.record()
	}
	return nil
}

// drop is done with a tick that was missed.
func (r *run) drop(tick time.Time) {
	r.done = tick
	if !r.excluded(tick) {
		r.missed.Add(1)
		r.gone.add(tick)
	}
}

// tell logs what was dropped. A source that cannot keep up drops ticks all the
// time, but does not fill the log.
func (r *run) tell() {
	if r.gone.count > 0 || r.gone.more {
		r.out.Logger.Warn("ticks were missed and are dropped", "count", r.gone.count, "and_more", r.gone.more,
			"first", r.gone.first, "last", r.gone.last, "catch_up", r.CatchUp)
		r.gone, r.told = gap{}, r.wall()
	}
}

// gap is a row of missed ticks.
type gap struct {
	count       int
	more        bool // there were more, which nobody counted
	first, last time.Time
}

func (g *gap) add(tick time.Time) {
	if g.count == 0 {
		g.first = tick
	}
	g.count++
	g.last = tick
}

// emit emits a tick until the bus has taken it, or never will. When ctx ends
// first the tick is not done with.
func (r *run) emit(ctx context.Context, tick time.Time) error {
	e, err := r.event(tick)
	if err != nil {
		return err
	}
	for attempt := 1; !r.taken(ctx, e, tick, attempt); attempt++ {
		// Full jitter, from half a second to half a minute.
		pause := rand.N(min(retryMin<<min(attempt-1, 10), retryMax))
		if !sleep(ctx, pause) || r.emittedElsewhere(ctx, tick) {
			return nil
		}
	}
	r.done = tick
	r.record()
	return nil
}

// taken emits e and reports whether there is no more to be done about it.
func (r *run) taken(ctx context.Context, e hearken.Event, tick time.Time, attempt int) bool {
	err := r.out.Emit(ctx, e)
	switch {
	case err == nil:
		return true
	case hearken.IsPermanent(err):
		r.out.Logger.Error("tick will never be taken and is given up", "tick", tick, "error", err)
		return true
	default:
		r.out.Logger.Warn("tick was not taken and will be emitted again", "tick", tick, "error", err, "attempt", attempt)
		return false
	}
}

// record writes down that ticks are done with up to r.done. That it cannot is no
// reason to stop: the next record makes up for it, and should the process end
// before, a tick is emitted again, with the same id.
func (r *run) record() { r.recorder.record(r.done, r.wall()) }

// data is the data of an event.
type data struct {
	EventTime string            `json:"eventTime"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

func (r *run) event(tick time.Time) (hearken.Event, error) {
	e, err := hearken.NewEvent("calendar", format(tick), data{tick.Format(time.RFC3339Nano), r.Metadata})
	if err != nil {
		return hearken.Event{}, err
	}
	e.SetTime(tick.UTC())
	return e, nil
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
