package memory

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/hearken-go/hearken/bus"
)

// Store is a store in memory. The zero value is empty and ready to use. Nothing
// of it survives the process. It holds as many values as there is memory for,
// and must not be copied.
type Store struct {
	// MaxValue is how many bytes a value may have. Zero: 1 MiB.
	MaxValue int

	mu      sync.RWMutex
	values  map[string]versioned
	version uint64 // of the last update
}

var _ bus.Store = (*Store)(nil)

// versioned is a value and the update that it is of. It is not changed.
type versioned struct {
	value   []byte
	version uint64 // 0: there is none
}

var errNoKey = errors.New("memory: the key is empty")

func (s *Store) load(key string) versioned {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.values[key]
}

// Get implements bus.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	if err := check(ctx, key); err != nil {
		return nil, err
	}
	return bytes.Clone(s.load(key).value), nil
}

func check(ctx context.Context, key string) error {
	if key == "" {
		return errNoKey
	}
	return ctx.Err()
}

// Update implements bus.Store. No lock is held while f runs.
func (s *Store) Update(ctx context.Context, key string, f func(old []byte) ([]byte, error)) error {
	for {
		if err := check(ctx, key); err != nil {
			return err
		}
		old := s.load(key)
		value, err := f(bytes.Clone(old.value))
		if err != nil {
			return err
		}
		if most := cmp.Or(s.MaxValue, 1<<20); len(value) > most {
			return fmt.Errorf("%w: the value has %d bytes, MaxValue is %d", bus.ErrRejected, len(value), most)
		}
		if s.swap(key, old.version, bytes.Clone(value)) {
			return nil
		}
	}
}

// swap sets key to value if its version is still the given one.
func (s *Store) swap(key string, version uint64, value []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[key].version != version {
		return false
	}
	if value == nil {
		delete(s.values, key)
		return true
	}
	if s.values == nil {
		s.values = map[string]versioned{}
	}
	s.version++
	s.values[key] = versioned{value, s.version}
	return true
}

// List implements bus.Store: it yields the entries as they were when the loop
// began.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	return func(yield func(bus.Entry, error) bool) {
		for key, value := range s.snapshot(prefix) {
			if err := ctx.Err(); err != nil {
				yield(bus.Entry{}, err)
				return
			}
			if !yield(bus.Entry{Key: key, Value: bytes.Clone(value)}, nil) {
				return
			}
		}
	}
}

func (s *Store) snapshot(prefix string) map[string][]byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := map[string][]byte{}
	for key, v := range s.values {
		if strings.HasPrefix(key, prefix) {
			found[key] = v.value
		}
	}
	return found
}
