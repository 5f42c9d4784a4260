package bus

import (
	"context"
	"iter"
)

// Store keeps small values by key: the state of joins, and what a source must
// remember (a cursor, an ETag, what it has seen). It is as durable and as widely
// shared as whatever implements it says.
type Store interface {
	// Get returns the value of key, or nil when there is none. The caller may
	// keep and change it.
	Get(ctx context.Context, key string) ([]byte, error)

	// Update sets key to what f makes of its present value, by compare and
	// swap: f gets nil when there is none, and returns nil to delete. When
	// another update comes between, f is called again with the newer value, so
	// it has no effects of its own. It may keep neither old nor what it returns.
	// An empty value that is not nil is a value. An error of f ends the update,
	// changes nothing and is returned as it is. A key or value too large is
	// ErrRejected, and changes nothing.
	//
	// With nil the result of f is stored. With any other error it may have been
	// stored. Either way f may have met a value that an earlier result of its own
	// went into, since an answer was lost: updates are written so that doing them
	// twice is harmless.
	Update(ctx context.Context, key string, f func(old []byte) ([]byte, error)) error

	// List yields the entries whose key has the prefix, in no particular order.
	// Entries that change meanwhile may be yielded old, new or not at all, and
	// twice if they are deleted and set again; the others are yielded once. No
	// lock is held meanwhile: the loop may update any entry. An error ends the
	// sequence.
	//
	// Keys may hold any characters, and are not empty. Every store takes those of
	// up to 1 KiB. A prefix that ends with a slash is found without looking at
	// other keys.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
}

// Entry is a key of a Store and its value, which the receiver may keep.
type Entry struct {
	Key   string
	Value []byte
}

// Storer is implemented by a bus that brings a Store of its own.
type Storer interface {
	// Store returns the bus's store, the same for all callers.
	Store(ctx context.Context) (Store, error)
}
