// Package backoff says how long to wait before another attempt: full jitter,
// the least load on what is already in trouble
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
package backoff

import (
	"math"
	"math/rand/v2"
	"time"
)

// Jitter returns a random wait before attempt n+1, where n counts from 1: up to
// floor, doubled with every attempt, and at most ceiling.
func Jitter(n int, floor, ceiling time.Duration) time.Duration {
	bound := floor
	for range n - 1 {
		if bound >= ceiling-bound {
			bound = ceiling
			break
		}
		bound *= 2
	}
	bound = max(min(bound, ceiling), 1)
	return time.Duration(rand.Int64N(int64(min(bound, math.MaxInt64-1)) + 1))
}
