package memory

import (
	"hash/maphash"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// dedupe remembers the identities of the events published last, in a ring. It
// finds them by hash and compares them whole: two that collide make it forget
// the older, never drop the newer.
type dedupe struct {
	seed  maphash.Seed
	begun time.Time
	by    map[uint64]uint64 // hash to number
	ring  []remembered      // number n is at n mod len, a power of two
	first uint64            // number of the oldest
	next  uint64            // number of the next
}

type remembered struct {
	id   bus.Identity
	hash uint64
	at   time.Duration // since begun
}

// find returns the hash of id and whether id was added within the window.
func (d *dedupe) find(id bus.Identity, now time.Time, window time.Duration) (hash uint64, known bool) {
	if d.by == nil {
		d.seed, d.begun, d.by = maphash.MakeSeed(), now, map[uint64]uint64{}
	}
	hash = maphash.Comparable(d.seed, id)
	n, ok := d.by[hash]
	if !ok {
		return hash, false
	}
	r := &d.ring[n%uint64(len(d.ring))]
	return hash, r.id == id && now.Sub(d.begun)-r.at < window
}

// add remembers id, and forgets what is beyond most and, a few at a time, what
// is older than the window.
func (d *dedupe) add(id bus.Identity, hash uint64, now time.Time, window time.Duration, most int) {
	for d.next-d.first >= uint64(most) {
		d.forget()
	}
	for range 2 {
		if d.first == d.next || now.Sub(d.begun)-d.ring[d.first%uint64(len(d.ring))].at < window {
			break
		}
		d.forget()
	}
	if d.next-d.first == uint64(len(d.ring)) {
		d.grow()
	}
	d.by[hash] = d.next
	d.ring[d.next%uint64(len(d.ring))] = remembered{id: id, hash: hash, at: now.Sub(d.begun)}
	d.next++
}

// forget gives up the oldest.
func (d *dedupe) forget() {
	r := &d.ring[d.first%uint64(len(d.ring))]
	if d.by[r.hash] == d.first {
		delete(d.by, r.hash)
	}
	*r = remembered{}
	d.first++
}

func (d *dedupe) grow() {
	ring := make([]remembered, max(64, 2*len(d.ring)))
	for n := d.first; n < d.next; n++ {
		ring[n%uint64(len(ring))] = d.ring[n%uint64(len(d.ring))]
	}
	d.ring = ring
}
