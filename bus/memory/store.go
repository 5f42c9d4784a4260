package memory

import (
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
//
// A value takes about 60 bytes beside itself and its name, which is what its key
// has after the last slash. What comes before is its directory. List looks into
// no directory but those that its prefix leads to; one of a million values does
// not keep others waiting for longer than it takes to look at a few hundred.
// Directories are best few: each takes some hundred bytes, and does not shrink before
// it is empty.
type Store struct {
	// MaxValue is how many bytes a value may have. Zero: 1 MiB.
	MaxValue int

	mu      sync.RWMutex
	dirs    dirs
	buffers sync.Pool // of *[]byte, for old values
}

var _ bus.Store = (*Store)(nil)

var errNoKey = errors.New("memory: the key is empty")

// load returns the value of key, which is never changed, and whether there is one.
func (s *Store) load(key string) (string, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dirs.get(split(key))
}

// Get implements bus.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	if err := check(ctx, key); err != nil {
		return nil, err
	}
	value, ok := s.load(key)
	if !ok {
		return nil, nil
	}
	return []byte(value), nil
}

func check(ctx context.Context, key string) error {
	if key == "" {
		return errNoKey
	}
	return ctx.Err()
}

// Update implements bus.Store. No lock is held while f runs.
func (s *Store) Update(ctx context.Context, key string, f func(old []byte) ([]byte, error)) error {
	buf := s.buffer()
	defer s.buffers.Put(buf) // f has kept nothing of it
	for {
		if err := check(ctx, key); err != nil {
			return err
		}
		old, ok := s.load(key)
		var copied []byte
		if ok {
			*buf = append((*buf)[:0], old...)
			copied = *buf
		}
		value, err := f(copied)
		if err != nil {
			return err
		}
		if most := cmp.Or(s.MaxValue, 1<<20); len(value) > most {
			return fmt.Errorf("%w: the value has %d bytes, MaxValue is %d", bus.ErrRejected, len(value), most)
		}
		if s.swap(key, old, ok, value) {
			return nil
		}
	}
}

// buffer returns room for a value. It is not nil: an empty value is one.
func (s *Store) buffer() *[]byte {
	if b, ok := s.buffers.Get().(*[]byte); ok && cap(*b) <= 64<<10 {
		return b
	}
	b := make([]byte, 0, 256)
	return &b
}

// swap sets key to value, nil for none, if it is as it was when old was loaded.
// That it may have been otherwise meanwhile makes no difference to f. While
// nobody has updated it the two strings are one, and not compared byte by byte.
func (s *Store) swap(key, old string, ok bool, value []byte) bool {
	path, name := split(key)
	var e entry
	if value != nil {
		e = newEntry(name, value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, is := s.dirs.get(path, name); is != ok || now != old {
		return false
	}
	switch {
	case value != nil:
		if s.dirs == nil {
			s.dirs = dirs{}
		}
		s.dirs.set(path, e)
	case ok:
		s.dirs.remove(path, name)
	}
	return true
}

// List implements bus.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[bus.Entry, error] {
	return func(yield func(bus.Entry, error) bool) {
		path, _ := split(prefix)
		s.walk(path, prefix, func(path, name, value string) bool {
			if err := ctx.Err(); err != nil {
				yield(bus.Entry{}, err)
				return false
			}
			return yield(bus.Entry{Key: path + name, Value: []byte(value)}, nil)
		})
	}
}

// walk yields what has the prefix, which begins with path, in that directory and
// all below it. It reports whether to go on.
func (s *Store) walk(path, prefix string, yield func(path, name, value string) bool) bool {
	names, below := s.open(path)
	for name, value := range inBatches(&s.mu, names) {
		if strings.HasPrefix(name, prefix[len(path):]) && !yield(path, name, value) {
			return false
		}
	}
	for sub := range inBatches(&s.mu, below) {
		if strings.HasPrefix(sub, prefix) && !s.walk(sub, sub, yield) {
			return false
		}
	}
	return true
}

// open returns the maps of a directory, which only inBatches may read.
func (s *Store) open(path string) (names map[string]string, below map[string]struct{}) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if d := s.dirs[path]; d != nil {
		return d.names, d.below
	}
	return nil, nil
}

// inBatches yields what m holds. It gives the lock back every few hundred
// entries, for as long as the loop's body takes them; Go's maps may be changed
// between two steps of a range.
func inBatches[V any](mu *sync.RWMutex, m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		keys, values := make([]string, 0, batch), make([]V, 0, batch)
		flush := func() bool {
			for i, k := range keys {
				if !yield(k, values[i]) {
					return false
				}
			}
			keys, values = keys[:0], values[:0]
			return true
		}
		mu.RLock()
		for k, v := range m {
			if keys, values = append(keys, k), append(values, v); len(keys) < batch {
				continue
			}
			mu.RUnlock()
			if !flush() {
				return
			}
			mu.RLock()
		}
		mu.RUnlock()
		flush()
	}
}

const batch = 256
