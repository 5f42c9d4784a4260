package backoff_test

import (
	"math"
	"testing"
	"time"

	"github.com/hearken-go/hearken/internal/backoff"
	"github.com/stretchr/testify/assert"
)

func TestJitter(t *testing.T) {
	tests := []struct {
		name           string
		n              int
		floor, ceiling time.Duration
		bound          time.Duration
	}{
		{"the first", 1, time.Second, time.Minute, time.Second},
		{"doubles", 3, time.Second, time.Minute, 4 * time.Second},
		{"the ceiling", 7, time.Second, time.Minute, time.Minute},
		{"long after it", 1 << 20, time.Second, time.Minute, time.Minute},
		{"no overflow", 100, time.Second, math.MaxInt64 - 1, math.MaxInt64 - 1},
		{"the longest there is", 1, math.MaxInt64, math.MaxInt64, math.MaxInt64},
		{"floor above ceiling", 1, time.Hour, time.Minute, time.Minute},
		{"nothing to wait for", 1, 0, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var longest time.Duration
			for range 2000 {
				d := backoff.Jitter(tt.n, tt.floor, tt.ceiling)
				assert.GreaterOrEqual(t, d, time.Duration(0))
				assert.LessOrEqual(t, d, tt.bound)
				longest = max(longest, d)
			}
			assert.Greater(t, longest, tt.bound/2, "the whole range is used")
		})
	}
}
