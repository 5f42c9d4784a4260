package crashtest_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken/internal/crashtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScenarios(t *testing.T) {
	var mu sync.Mutex
	var results []crashtest.Result
	// Printed when all of them have ended, which run at the same time.
	t.Cleanup(func() { t.Log("\n" + crashtest.Table(results)) })
	for _, s := range scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			r := run(t, s)
			mu.Lock()
			results = append(results, r)
			mu.Unlock()
			assert.NoError(t, r.Err())
		})
	}
}

func scenarios() []crashtest.Scenario {
	whims := crashtest.Whims{Fail: 0.03, Cut: 0.02, Slow: 0.1, SlowFor: 200 * time.Millisecond}
	return []crashtest.Scenario{
		{
			Name:    "embedded killed",
			Whims:   whims,
			Killers: []crashtest.Killer{{Every: 700 * time.Millisecond, Harms: []crashtest.Harm{crashtest.KillPipeline}}},
		},
	}
}

func run(t *testing.T, s crashtest.Scenario) crashtest.Result {
	t.Helper()
	s.For, s.Seed = underLoad(2500*time.Millisecond), *seed
	if s.Seed == 0 {
		s.Seed = rand.Uint64N(1_000_000)
	}
	dir := t.TempDir()
	t.Cleanup(func() {
		if t.Failed() {
			log, err := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("-seed %d; what the processes said last (%v):\n%s", s.Seed, err, log[max(0, len(log)-4000):])
		}
	})
	r, err := s.Run(t.Context(), dir)
	require.NoError(t, err)
	return r
}
