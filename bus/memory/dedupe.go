package memory

import (
	"hash/maphash"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// dedupe remembers the identities of the events published last, in a ring of
// entries that are chained by hash, from the latest to older ones. What is too
// old is not unchained: a chain ends at the first number that is forgotten.
//
// The ring holds no pointer, so the garbage collector never looks into it. Instead of
// an identity it keeps 128 bits of its hash, by two seeds that nobody outside
// can know: that one event is taken for any of 65,536 others has a chance of
// 2^-112, less than that the memory fails.
type dedupe struct {
	seeds [2]maphash.Seed
	begun time.Time
	ring  []remembered // number n is at n mod len, a power of two
	heads []head       // by hash mod len, that of the ring
	first uint64       // number of the oldest, from 1
	next  uint64       // number of the next
}

// identityHash is what an identity is remembered by.
type identityHash [2]uint64

// head is the begin of a chain: the latest number, and in the low 16 bits one
// for each hash of the chain, which spare most looks into the ring. The numbers
// last for four years of two million events a second.
type head uint64

func (h head) number() uint64 { return uint64(h >> 16) }

func (h head) has(hash identityHash) bool { return h&hash.bit() != 0 }

func (h identityHash) bit() head { return 1 << (h[1] & 15) }

type remembered struct {
	hash  identityHash
	at    time.Duration // since begun
	older uint64        // the next number of the chain
}

// find returns the hash of id and whether id was added within the window.
func (d *dedupe) find(id bus.Identity, now time.Time, window time.Duration) (hash identityHash, known bool) {
	if d.ring == nil {
		d.seeds, d.begun = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, now
		d.first, d.next = 1, 1
		d.grow()
	}
	encoded := id.Append(make([]byte, 0, 128)) // cheaper than maphash.Comparable twice
	hash = identityHash{maphash.Bytes(d.seeds[0], encoded), maphash.Bytes(d.seeds[1], encoded)}
	h := *d.head(hash)
	if !h.has(hash) {
		return hash, false
	}
	for n := h.number(); n >= d.first; {
		r := d.at(n)
		if r.hash == hash {
			return hash, now.Sub(d.begun)-r.at < window
		}
		n = r.older
	}
	return hash, false
}

// add remembers hash, and forgets what is beyond most and, a few at a time, what
// is older than the window.
func (d *dedupe) add(hash identityHash, now time.Time, window time.Duration, most int) {
	at := now.Sub(d.begun)
	d.first = max(d.first, d.next-min(d.next, uint64(most-1)))
	for range 2 {
		if d.first == d.next || at-d.at(d.first).at < window {
			break
		}
		d.first++
	}
	if d.next-d.first == uint64(len(d.ring)) {
		d.grow()
	}
	d.put(remembered{hash: hash, at: at})
}

// put makes r the latest.
func (d *dedupe) put(r remembered) {
	h := d.head(r.hash)
	r.older = h.number()
	bits := r.hash.bit()
	if r.older >= d.first {
		bits |= *h & (1<<16 - 1)
	}
	*h = head(d.next)<<16 | bits
	*d.at(d.next) = r
	d.next++
}

func (d *dedupe) at(n uint64) *remembered { return &d.ring[n&uint64(len(d.ring)-1)] }

// head returns the begin of the chain of hash.
func (d *dedupe) head(hash identityHash) *head { return &d.heads[hash[0]&uint64(len(d.heads)-1)] }

func (d *dedupe) grow() {
	old := *d
	d.ring = make([]remembered, max(64, 2*len(old.ring)))
	d.heads = make([]head, len(d.ring))
	for d.next = d.first; d.next < old.next; {
		d.put(*old.at(d.next))
	}
}
