package hearken

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/internal/join"
)

// What waits for a join outlives the sensor that it waits for. So the store has a
// register of the sensors with joins, in which each process says every
// registerEvery which it runs. A sensor of which nobody has said so for
// retiredAfter is retired, and what waits for it is given up: a day more than a
// week, for one that runs once a week.
const (
	registerEvery = time.Hour
	retiredAfter  = 8 * 24 * time.Hour
)

// silence is what looks at the register have found of a sensor of which nobody
// says that it runs.
type silence struct {
	last  string    // what the register has of it
	since time.Time // when that was first found
}

// register is the place of a sensor in the register of its pipeline.
func register(pipeline, sensor string) string { return registerOf(pipeline) + pathOf(sensor) }

func registerOf(pipeline string) string { return "joins/" + pathOf(pipeline) + "/" }

// enrol says that a sensor with joins runs.
func (r *runner) enrol(ctx context.Context, sensor string) error {
	return r.store.Update(ctx, register(r.Name, sensor), func([]byte) ([]byte, error) {
		return time.Now().UTC().AppendFormat(nil, time.RFC3339), nil
	})
}

// enrolled returns the sensors that have had joins, with an error those that were
// found before it.
func (r *runner) enrolled(ctx context.Context) (map[string]bool, error) {
	all := make(map[string]bool)
	for item, err := range r.store.List(ctx, registerOf(r.Name)) {
		if err != nil {
			return all, err
		}
		all[r.enrolledAt(item.Key)] = true
	}
	return all, nil
}

// enrolledAt returns the sensor that a key of the register is of.
func (r *runner) enrolledAt(key string) string {
	return nameOf(strings.TrimPrefix(key, registerOf(r.Name)))
}

// watchRetired looks at the register every hour until intake ends.
func (r *runner) watchRetired() {
	silent := make(map[string]silence)
	for pause := time.Duration(0); sleep(r.intake, pause); pause = registerEvery {
		if err := r.lookForRetired(silent); err != nil && r.intake.Err() == nil {
			r.log.Warn("what waits for retired sensors was not looked at in full", append(stackOf(err), "error", err)...)
		}
	}
}

func (r *runner) lookForRetired(silent map[string]silence) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = newPanicError("the store", v)
		}
	}()
	ctx, cancel := context.WithTimeout(r.intake, sweepTimeout)
	defer cancel()
	var errs []error
	running := make(map[string]bool)
	for _, s := range r.sensors {
		if s.joins != nil {
			running[s.name] = true
			errs = append(errs, r.enrol(ctx, s.name))
		}
	}
	for item, err := range r.store.List(ctx, registerOf(r.Name)) {
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		sensor := r.enrolledAt(item.Key)
		if running[sensor] {
			continue
		}
		if err := r.retire(ctx, sensor, item.Value, silent); err != nil {
			errs = append(errs, fmt.Errorf("sensor %q: %w", sensor, err))
		}
	}
	return errors.Join(errs...)
}

// retire gives up what waits for a sensor that has been quiet for long enough. It
// warns first, and so leaves the time of two more looks to whoever is to run the
// sensor and has only not started yet. A process that says meanwhile that it runs
// is heard whatever the clocks are.
func (r *runner) retire(ctx context.Context, sensor string, last []byte, silent map[string]silence) error {
	heard, err := time.Parse(time.RFC3339, string(last))
	quiet := time.Since(heard)
	if err == nil && -quiet > retiredAfter {
		err = fmt.Errorf("%v is to come", heard)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("its place in the register is damaged and begins anew: %w", err), r.enrol(ctx, sensor))
	}
	was := silent[sensor]
	again := was.last == string(last)
	if quiet < 2*registerEvery || again && (quiet < retiredAfter || time.Since(was.since) < 2*registerEvery) {
		return nil
	}
	ghost := newSensorRun(r, planSensor(r.Name, &Sensor{Name: sensor}))
	joins := join.New(r.store, joinCorner(r.Name, sensor), ghost.reportJoin)
	left, err := joins.Left(ctx)
	switch {
	case err != nil:
		return err
	case left.Entries == 0:
		return r.strike(ctx, sensor, last)
	case again:
		// What it had not settled by then the bus may still have, and deliver.
		return joins.Sweep(ctx, bus.Floor{Time: heard.Add(2 * registerEvery)}, ghost.lose)
	}
	silent[sensor] = silence{string(last), time.Now()}
	if left.Waiting > 0 {
		ghost.log.Warn("no process runs a sensor that events wait for", "waiting", left.Waiting, "oldest", left.Oldest,
			"last_run", heard, "dead_lettered_after", heard.Add(retiredAfter))
	}
	return nil
}

// strike takes a sensor out of the register, unless it has come back.
func (r *runner) strike(ctx context.Context, sensor string, last []byte) error {
	err := r.store.Update(ctx, register(r.Name, sensor), func(old []byte) ([]byte, error) {
		if string(old) != string(last) {
			return nil, errCameBack
		}
		return nil, nil
	})
	if errors.Is(err, errCameBack) {
		return nil
	}
	return err
}

var errCameBack = errors.New("a process runs it")
