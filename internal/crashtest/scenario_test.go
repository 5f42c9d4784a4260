package crashtest_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/hearken-go/hearken/internal/crashtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScenarios(t *testing.T) {
	t.Parallel()
	all := scenarios()
	results := make([]crashtest.Result, len(all))
	// Printed when all of them have ended, which run at the same time.
	t.Cleanup(func() {
		ran := slices.DeleteFunc(results, func(r crashtest.Result) bool { return r.Scenario == "" })
		t.Log("\n" + crashtest.Table(ran))
	})
	for i, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			s.For, s.Accepted, s.Harms = underLoad(2000*time.Millisecond), 300, 1
			r := run(t, s)
			results[i] = r
			require.NoError(t, r.Err())
			if *soak > 0 { // a short test shares the machine with the others
				assert.LessOrEqual(t, r.Redelivery, 5*time.Second)
				if s.Once { // nothing is killed: what is handed back comes at the next start
					assert.LessOrEqual(t, r.Slowest, 5*time.Second)
				}
			}
			assert.Positive(t, r.Fired)
			assert.Positive(t, r.DeadLettered)
			assert.Positive(t, r.Kills+r.Stops+r.Cuts-max(s.Replicas, 1), "no harm was done")
		})
	}
}

func scenarios() []crashtest.Scenario {
	whims := crashtest.Whims{Fail: 0.03, Cut: 0.02, Slow: 0.1, SlowFor: 200 * time.Millisecond}
	kill := crashtest.Killer{Every: 700 * time.Millisecond, Harms: []crashtest.Harm{crashtest.KillPipeline}}
	steady := crashtest.Killer{Every: 700 * time.Millisecond, Steady: true, Harms: kill.Harms}
	if *soak > 0 { // there is time to see what a restart takes until the next
		kill.Every, steady.Every = 2*time.Second, 2*time.Second
	}
	server := crashtest.Killer{Every: kill.Every, Harms: []crashtest.Harm{crashtest.KillServer}}
	network := crashtest.Killer{Every: 300 * time.Millisecond, Harms: []crashtest.Harm{
		crashtest.CutConnections, crashtest.RefuseConnections, crashtest.SlowConnections,
	}}
	stop := crashtest.Killer{Every: 400 * time.Millisecond, Harms: []crashtest.Harm{crashtest.StopPipeline}}
	gentle := crashtest.Whims{Fail: 0.03, Slow: 0.1, SlowFor: 200 * time.Millisecond} // no cut: what is not answered is sent again
	return []crashtest.Scenario{
		{Name: "embedded server, killed", Whims: whims, Killers: []crashtest.Killer{kill}},
		{Name: "server killed, network cut", Replicas: 2, Server: true, Whims: whims, Killers: []crashtest.Killer{server, network}},
		{Name: "one of three replicas killed", Replicas: 3, Server: true, Whims: whims, Killers: []crashtest.Killer{steady}},
		{Name: "everything killed", Replicas: 2, Server: true, Whims: whims, Killers: []crashtest.Killer{kill, server, network}},
		{Name: "stopped in order", Once: true, Drain: 30 * time.Second, Whims: gentle, Killers: []crashtest.Killer{stop}},
		{Name: "two replicas stopped in order", Once: true, Drain: 30 * time.Second, Replicas: 2, Server: true, Whims: gentle, Killers: []crashtest.Killer{stop}},
	}
}

func run(t *testing.T, s crashtest.Scenario) crashtest.Result {
	t.Helper()
	if s.Seed = *seed; s.Seed == 0 {
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
	assert.NoError(t, err)
	return r
}

// Each fault in the bus must be found, or the account above says nothing.
func TestSabotage(t *testing.T) {
	t.Parallel()
	lost := func(r crashtest.Result) int { return r.Lost }
	kill := []crashtest.Killer{{Every: 300 * time.Millisecond, Harms: []crashtest.Harm{crashtest.KillPipeline}}}
	type sabotage struct {
		fault   crashtest.Sabotage
		killers []crashtest.Killer
		found   func(crashtest.Result) int
	}
	all := []sabotage{
		{crashtest.SettleEarly, kill, lost},
		{crashtest.SettleLate, nil, func(r crashtest.Result) int { return r.Duplicates }},
		{crashtest.DropEvents, nil, lost},
		{crashtest.DropLetters, nil, lost},
		{crashtest.NewIDs, nil, func(r crashtest.Result) int { return r.TwoIDs }},
	}
	if crashtest.Joins {
		all = append(all, sabotage{crashtest.ForgetParts, nil, lost})
	}
	for _, tt := range all {
		t.Run(string(tt.fault), func(t *testing.T) {
			t.Parallel()
			r := run(t, crashtest.Scenario{
				Name: string(tt.fault), Sabotage: tt.fault, Once: tt.killers == nil, For: time.Second, Killers: tt.killers,
				Accepted: 300, Harms: 3 * len(tt.killers),
				Whims: crashtest.Whims{Fail: 0.03, Slow: 1, SlowFor: 100 * time.Millisecond},
			})
			assert.Positive(t, tt.found(r))
			assert.Error(t, r.Err())
			t.Log(r.Err())
		})
	}
}
