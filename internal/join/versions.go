package join

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A version of an action that no process has said that it runs for versionAge is
// an older one: what waits for it is given up. Processes say so every
// versionEvery.
const (
	versionEvery = 5 * time.Minute
	versionAge   = 3 * versionEvery
)

// running is which versions of an action run, and when each was last heard of.
type running struct {
	action   string
	versions map[string]time.Time
}

// versions says which versions run here, and gives up what waits for one that
// runs nowhere any more.
func (s *sweep) versions(ctx context.Context) error {
	if !s.swept.versions.IsZero() && s.now.Sub(s.swept.versions).Abs() < versionEvery {
		return nil
	}
	var errs []error
	for _, a := range s.actions {
		errs = append(errs, s.announce(ctx, a))
	}
	for item, err := range s.store.List(ctx, s.prefix+"v/") {
		if err != nil {
			errs = append(errs, err)
			break
		}
		r, err := decodeRunning(item.Value)
		if err != nil {
			errs = append(errs, s.setAside(ctx, item.Key, item.Value, err))
			continue
		}
		errs = append(errs, s.retireOld(ctx, r))
	}
	err := errors.Join(errs...)
	if err == nil {
		s.swept.versions = s.now
	}
	return err
}

// announce says that a version of an action runs.
func (s *sweep) announce(ctx context.Context, a *Action) error {
	return s.updateVersions(ctx, a.Name, func(r *running) { r.versions[a.Version] = s.now })
}

func (s *sweep) updateVersions(ctx context.Context, action string, f func(*running)) error {
	var damaged error
	err := s.store.Update(ctx, s.version(action), func(old []byte) ([]byte, error) {
		r := running{action: action, versions: make(map[string]time.Time)}
		if damaged = nil; old != nil {
			if r, damaged = decodeRunning(old); damaged != nil {
				r.action = action
			}
		}
		if f(&r); len(r.versions) == 0 {
			return nil, nil
		}
		return r.encode(), nil
	})
	if damaged != nil && err == nil {
		s.report(fmt.Errorf("the versions of action %q are written anew: %w", action, damaged))
	}
	return err
}

// retireOld gives up what waits for versions that have not been heard of.
func (s *sweep) retireOld(ctx context.Context, r running) error {
	isOld := func(_ string, heard time.Time) bool { return s.now.Sub(heard) > versionAge }
	old := maps.Clone(r.versions)
	maps.DeleteFunc(old, func(v string, heard time.Time) bool { return !isOld(v, heard) })
	if len(old) == 0 {
		return nil
	}
	prefix := s.entry(hashed(r.action, actionLen) + "/")
	for item, err := range s.store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		en, err := decodeEntry(item.Value)
		if err != nil {
			if err := s.setAside(ctx, item.Key, item.Value, err); err != nil {
				return err
			}
			continue
		}
		if err := s.retire(ctx, item.Key[len(s.entry("")):], en, old); err != nil {
			return err
		}
	}
	return s.updateVersions(ctx, r.action, func(r *running) { maps.DeleteFunc(r.versions, isOld) })
}

// retire gives up the parts of an entry that are of old versions.
func (s *sweep) retire(ctx context.Context, key string, en *entry, old map[string]time.Time) error {
	why := errors.New("it waited for an older version of the action, which runs nowhere any more")
	if s.actions[en.action] == nil {
		why = errors.New("it waited for an action that runs nowhere any more")
	}
	for _, r := range slices.Clone(en.parts) {
		if _, isOld := old[r.version]; !isOld {
			continue
		}
		partKey := s.part(key, &r)
		p, err := s.fetch(ctx, partKey)
		switch {
		case errors.Is(err, ErrPart):
			needs := func(en *entry) bool { return slices.ContainsFunc(en.parts, func(o ref) bool { return o.pos == r.pos }) }
			if err = s.missing(ctx, key, err, needs); err == nil {
				_, err = s.unrefer(ctx, key, partKey)
			}
		case err == nil:
			p.Dependencies = r.deps
			err = s.end(ctx, key, partKey, Loss{Action: en.action, Event: p.Event, Pos: r.pos, Err: why})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Open says which versions run here. It comes before the first Take: what waits
// for a version that nobody has said to run might be given up.
func (e *Engine) Open(ctx context.Context) error {
	s := &sweep{Engine: e, now: time.Now()}
	var errs []error
	for _, a := range e.actions {
		errs = append(errs, s.announce(ctx, a))
	}
	return errors.Join(errs...)
}
