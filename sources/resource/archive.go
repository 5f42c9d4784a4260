package resource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/hearken-go/hearken/bus"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// maxShard is how large a value may grow before it is split. Stores take
	// values of 64 KB.
	maxShard = 48 << 10
	// abandoned is how long the state of another configuration is kept: a deploy
	// may be rolled back.
	abandoned = 7 * 24 * time.Hour

	digits = "0123456789abcdef"
)

// archive is a memory as the Store keeps it: a head, and a tree of shards in
// which an object's place is given by the hash of its uid.
type archive struct {
	store bus.Store
	id    string // of what is watched: see identity
	epoch int    // grows when the cluster was set back, and all begins anew
	log   *slog.Logger
}

// head is the value of a head's key.
type head struct {
	Epoch     int               `json:"epoch,omitempty"`
	Positions map[string]string `json:"positions,omitempty"`
	Saved     time.Time         `json:"saved"`
}

// shard is the value of a shard's key: entries, or that they are in its children.
type shard struct {
	Split bool                `json:"split,omitempty"`
	Known map[types.UID]entry `json:"known,omitempty"`
}

const headPrefix = "v1/head/"

func (a *archive) headKey() string { return headPrefix + a.id }

func (a *archive) shardKey(place string) string { return shardPrefix(a.id, a.epoch) + place }

func shardPrefix(id string, epoch int) string { return fmt.Sprintf("v1/known/%s/%d/", id, epoch) }

// placeOf is where in the tree an object is: a prefix of this.
func placeOf(uid types.UID) string {
	sum := sha256.Sum256([]byte(uid))
	return hex.EncodeToString(sum[:])
}

var (
	errSplit      = errors.New("resource: the shard is split")
	errOverflow   = errors.New("resource: the shard overflows")
	errChanged    = errors.New("resource: the shard has changed")
	errUnreadable = errors.New("resource: the value cannot be read")
	errNewEpoch   = errors.New("resource: another process began anew")
)

// load fills m with what is kept. Where nothing is, it writes that the source
// has begun. It reports whether anything was kept, for other settings too: then
// events may have been emitted of which m does not know.
func (a *archive) load(ctx context.Context, m *memory) (before bool, err error) {
	others, err := a.tidy(ctx)
	if err != nil {
		return false, err
	}
	var h head
	err = a.update(ctx, a.headKey(), func(old []byte) ([]byte, error) {
		h = head{}
		if old != nil {
			before = true
			return old, decode(old, &h)
		}
		return json.Marshal(head{Saved: time.Now()})
	})
	if err != nil {
		return false, err
	}
	a.epoch = h.Epoch
	maps.Copy(m.positions, h.Positions)
	return before || others, a.read(ctx, "", m.known)
}

// read collects the entries below place.
func (a *archive) read(ctx context.Context, place string, into map[types.UID]entry) error {
	for _, d := range digits {
		child := place + string(d)
		value, err := a.store.Get(ctx, a.shardKey(child))
		if err != nil {
			return err
		}
		if value == nil {
			continue
		}
		var s shard
		if decode(value, &s) != nil {
			if err := a.putAside(ctx, a.shardKey(child), value); err != nil {
				return err
			}
			continue
		}
		for uid, e := range s.Known {
			merge(into, uid, e)
		}
		if s.Split {
			if err := a.read(ctx, child, into); err != nil {
				return err
			}
		}
	}
	return nil
}

// save tells the Store of changes: first the entries, so that whatever moment a
// crash picks the position is not ahead of them. It takes out of c.known what it
// has told, so that a Store too slow for all of it is told the rest the next time.
// Saving again is harmless, and what another process has saved meanwhile is kept
// where it is newer.
func (a *archive) save(ctx context.Context, c changes) error {
	told := func(entries map[types.UID]entry) {
		for uid := range entries {
			delete(c.known, uid)
		}
	}
	if err := a.put(ctx, "", c.known, told); err != nil || c.positions == nil {
		return err
	}
	return a.update(ctx, a.headKey(), func(old []byte) ([]byte, error) {
		h := head{Epoch: a.epoch}
		if old != nil {
			if err := decode(old, &h); err != nil {
				return nil, err
			}
		}
		if h.Epoch != a.epoch {
			return nil, errNewEpoch
		}
		positions := maps.Clone(c.positions)
		for scope, version := range h.Positions {
			if mine, ok := positions[scope]; !ok || compareVersions(version, mine) > 0 && isNumber(version) && isNumber(mine) {
				positions[scope] = version
			}
		}
		return json.Marshal(head{Epoch: a.epoch, Positions: positions, Saved: time.Now()})
	})
}

// put merges entries into the children of place, and calls told with those that
// the Store has.
func (a *archive) put(ctx context.Context, place string, entries map[types.UID]entry, told func(map[types.UID]entry)) error {
	children := map[string]map[types.UID]entry{}
	for uid, e := range entries {
		child := placeOf(uid)[:len(place)+1]
		if children[child] == nil {
			children[child] = map[types.UID]entry{}
		}
		children[child][uid] = e
	}
	for child, entries := range children {
		if err := a.putShard(ctx, child, entries, told); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) putShard(ctx context.Context, place string, entries map[types.UID]entry, told func(map[types.UID]entry)) error {
	var full []byte
	err := a.update(ctx, a.shardKey(place), func(old []byte) ([]byte, error) {
		s, err := readShard(old)
		switch {
		case err != nil:
			return nil, err
		case s.Split:
			return nil, errSplit
		}
		value, err := s.with(entries, time.Now())
		if len(value) > maxShard {
			full = bytes.Clone(old)
			return nil, errOverflow
		}
		return value, err
	})
	switch {
	case errors.Is(err, errSplit):
		return a.put(ctx, place, entries, told)
	case errors.Is(err, errOverflow):
		if err := a.split(ctx, place, full); err != nil && !errors.Is(err, errChanged) {
			return err
		}
		return a.putShard(ctx, place, entries, told) // splits a shard anew that has changed meanwhile
	case err == nil:
		told(entries)
	}
	return err
}

func readShard(value []byte) (shard, error) {
	var s shard
	if value == nil {
		return s, nil
	}
	err := decode(value, &s)
	return s, err
}

// with returns s as a value after entries were merged into it; nil for none.
func (s shard) with(entries map[types.UID]entry, now time.Time) ([]byte, error) {
	known := make(map[types.UID]entry, len(s.Known)+len(entries))
	maps.Copy(known, s.Known)
	for uid, e := range entries {
		merge(known, uid, e)
	}
	maps.DeleteFunc(known, func(_ types.UID, e entry) bool { return e.expired(now) })
	if len(known) == 0 {
		return nil, nil
	}
	return json.Marshal(shard{Known: known})
}

// split moves the entries of a shard, whose value is given, to its children.
// They are there before the shard says so: whoever reads finds them either way.
func (a *archive) split(ctx context.Context, place string, value []byte) error {
	s, err := readShard(value)
	if err != nil {
		return err
	}
	if err := a.put(ctx, place, s.Known, func(map[types.UID]entry) {}); err != nil {
		return err
	}
	return a.update(ctx, a.shardKey(place), func(old []byte) ([]byte, error) {
		if !bytes.Equal(old, value) {
			return nil, errChanged
		}
		return json.Marshal(shard{Split: true})
	})
}

// update is the Store's, but puts a value aside that f cannot read, and begins
// without it.
func (a *archive) update(ctx context.Context, key string, f func(old []byte) ([]byte, error)) error {
	var unreadable []byte
	for {
		var found []byte
		err := a.store.Update(ctx, key, func(old []byte) ([]byte, error) {
			if unreadable != nil && bytes.Equal(old, unreadable) {
				old = nil
			}
			value, err := f(old)
			if errors.Is(err, errUnreadable) {
				found = bytes.Clone(old)
			}
			return value, err
		})
		if !errors.Is(err, errUnreadable) {
			return err
		}
		if err := a.putAside(ctx, key, found); err != nil {
			return err
		}
		unreadable = found
	}
}

func decode(value []byte, v any) error {
	if err := json.Unmarshal(value, v); err != nil {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return nil
}

func (a *archive) putAside(ctx context.Context, key string, value []byte) error {
	aside := "unreadable/" + key
	a.log.Error("what the Store holds of the resource source cannot be read; it is kept aside and done without",
		"key", key, "value", string(value[:min(len(value), 100)]), "kept_as", aside)
	err := a.store.Update(ctx, aside, func([]byte) ([]byte, error) { return value, nil })
	if err != nil {
		return fmt.Errorf("put aside the unreadable value of %q: %w", key, err)
	}
	return nil
}

// beginAnew has every process do without what is kept.
func (a *archive) beginAnew(ctx context.Context) error {
	err := a.update(ctx, a.headKey(), func(old []byte) ([]byte, error) {
		var h head
		if old != nil {
			if err := decode(old, &h); err != nil {
				return nil, err
			}
		}
		if h.Epoch != a.epoch {
			return nil, errNewEpoch // done already
		}
		return json.Marshal(head{Epoch: a.epoch + 1, Saved: time.Now()})
	})
	if errors.Is(err, errNewEpoch) {
		return nil
	}
	return err
}

// clear deletes what was kept until all began anew.
func (a *archive) clear(ctx context.Context) error {
	return a.remove(ctx, shardPrefix(a.id, a.epoch))
}

// remove deletes all keys of a prefix.
func (a *archive) remove(ctx context.Context, prefix string) error {
	for e, err := range a.store.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if err := a.store.Update(ctx, e.Key, func([]byte) ([]byte, error) { return nil, nil }); err != nil {
			return err
		}
	}
	return nil
}

// tidy reports whether there is state of other settings, and removes what has
// been left alone for long.
func (a *archive) tidy(ctx context.Context) (others bool, err error) {
	var old []string
	for e, err := range a.store.List(ctx, headPrefix) {
		if err != nil {
			return false, err
		}
		var h head
		if e.Key == a.headKey() {
			continue
		}
		others = true
		if json.Unmarshal(e.Value, &h) == nil && time.Since(h.Saved).Abs() > abandoned {
			old = append(old, e.Key)
		}
	}
	for _, key := range old {
		id := key[len(headPrefix):]
		if err := a.remove(ctx, "v1/known/"+id+"/"); err != nil {
			return others, err
		}
		if err := a.remove(ctx, key); err != nil {
			return others, err
		}
	}
	return others, nil
}
