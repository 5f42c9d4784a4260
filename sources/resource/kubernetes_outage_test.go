//go:build kubernetes

package resource_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/internal/kubetest"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestKubernetesOutages takes the API server away, and so has a cluster of its own.
func TestKubernetesOutages(t *testing.T) {
	k := startKube(t, kubetest.Config{})
	t.Run("restart without storm and gap", func(t *testing.T) { restart(t, k, "resumed", false) })
	t.Run("restart after compaction", func(t *testing.T) { restart(t, k, "compacted", true) })
	t.Run("API server killed during creates", func(t *testing.T) { killed(t, k) })
	t.Run("API server away and etcd compacted", func(t *testing.T) { away(t, k) })
}

// restart has things happen while the source is down.
func restart(t *testing.T, k *kube, ns string, compacted bool) {
	k.namespace(t, ns)
	store := &memory.Store{}
	begin := func() *process {
		return k.process(t, store, func(s *resource.Source) { s.Namespaces = []string{ns} }).start().watching(1)
	}
	const kept = 200
	createMany(t, k, ns, kept, func(i int) any { return thing("ConfigMap", fmt.Sprintf("kept-%d", i), "0") }, configMaps)
	for _, name := range []string{"updated", "deleted"} {
		k.create(t, configMaps, ns, thing("ConfigMap", name, "0"))
	}
	first := begin()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := first.rec.Wait(ctx, kept+2)
	require.NoError(t, err)
	first.stop()

	k.patch(t, configMaps, ns, "updated", `{"metadata":{"annotations":{"n":"1"}}}`)
	k.patch(t, configMaps, ns, "updated", `{"metadata":{"annotations":{"n":"2"}}}`)
	k.delete(t, configMaps, ns, "deleted")
	k.create(t, configMaps, ns, thing("ConfigMap", "created", "0"))
	k.create(t, configMaps, ns, thing("ConfigMap", "passed", "0"))
	k.delete(t, configMaps, ns, "passed")
	if !compacted {
		begin().expect(false, "UPDATE updated 1", "UPDATE updated 2", "DELETE deleted 0", "ADD created 0", "ADD passed 0", "DELETE passed 0")
		return
	}
	k.KillAPIServer() // its cache would remember
	require.NoError(t, k.Compact(t.Context()))
	require.NoError(t, k.StartAPIServer(t.Context()))
	next := begin()
	next.expect(false, "UPDATE updated 2", "DELETE deleted partial", "ADD created 0")
	assert.Equal(t, uint64(1), next.source.Report().Counters["relists"])
}

// killed has the API server killed and started again while 1,000 objects are
// created and then updated.
func killed(t *testing.T, k *kube) {
	ns := k.namespace(t, "killed")
	const objects = 1000
	b := &memory.Bus{DedupeWindow: 10 * time.Minute}
	states := &states{latest: map[string]string{}, adds: map[string]int{}}
	es := &hearken.EventSource{Name: "shop", Event: "changes", Source: &resource.Source{
		Config: k.config("admin"), Resource: configMaps, Namespaces: []string{ns},
	}}
	logged := &log{}
	p := &hearken.Pipeline{Name: "killed", Bus: b, Logger: logged.logger(), EventSources: []*hearken.EventSource{es}, Sensors: []hearken.Sensor{{
		Name: "count", Workers: 1, Actions: []hearken.Action{{When: &hearken.Dependency{EventSource: es}, Trigger: states}},
	}}}
	runPipeline(t, p)

	var done atomic.Int64
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := w; i < objects; i += 4 {
				name := fmt.Sprintf("o%d", i)
				insist(t, func(ctx context.Context) error {
					_, err := k.tryCreate(ctx, configMaps, ns, thing("ConfigMap", name, "0"))
					if err != nil && strings.Contains(err.Error(), "already exists") {
						return nil // the answer was lost
					}
					return err
				})
				done.Add(1)
			}
		})
	}
	for _, at := range []int64{200, 600} {
		require.Eventually(t, func() bool { return done.Load() >= at }, patience, time.Millisecond)
		k.KillAPIServer()
		require.NoError(t, k.StartAPIServer(t.Context()))
	}
	writers.Wait()
	require.Eventually(t, func() bool { return states.count() == objects }, patience, 10*time.Millisecond, "%d of %d\n%s", states.count(), objects, logged)
	for i := range 100 {
		for n := range 3 {
			k.patch(t, configMaps, ns, fmt.Sprintf("o%d", i), fmt.Sprintf(`{"metadata":{"annotations":{"n":"%d"}}}`, n+1))
		}
		if i == 50 {
			k.KillAPIServer()
			require.NoError(t, k.StartAPIServer(t.Context()))
		}
	}
	require.Eventually(t, func() bool { return states.all(100, "3") }, patience, 10*time.Millisecond, "the final states\n%s", logged)
	states.mu.Lock()
	defer states.mu.Unlock()
	assert.Len(t, states.adds, objects)
	for name, n := range states.adds {
		assert.Equal(t, 1, n, name)
	}
	t.Logf("%d ADDs of %d objects over two kills; %+v", len(states.adds), objects, p.Health().EventSources[0].Counters)
}

// insist calls f until it succeeds: the API server may be away.
func insist(t *testing.T, f func(context.Context) error) {
	assert.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return f(ctx) == nil
	}, patience, 20*time.Millisecond)
}

// states is a trigger that keeps what each object was last.
type states struct {
	mu     sync.Mutex
	latest map[string]string
	adds   map[string]int
}

func (s *states) Fire(_ context.Context, f hearken.Firing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range f.Events {
		d, err := parse(e)
		if err != nil {
			return hearken.Permanent(err)
		}
		s.latest[d.Body.Metadata.Name] = d.Body.Metadata.Annotations["n"]
		if d.Type == "ADD" {
			s.adds[d.Body.Metadata.Name]++
		}
	}
	return nil
}

func (s *states) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.adds)
}

func (s *states) all(n int, state string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range n {
		if s.latest[fmt.Sprintf("o%d", i)] != state {
			return false
		}
	}
	return true
}

// away has the API server away for five seconds; a minute takes the same path.
// Meanwhile etcd is compacted.
func away(t *testing.T, k *kube) {
	ns := k.namespace(t, "away")
	p := k.process(t, &memory.Store{}, func(s *resource.Source) { s.Namespaces = []string{ns} }).start().watching(1)
	k.create(t, configMaps, ns, thing("ConfigMap", "a", "0"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := p.rec.Wait(ctx, 1)
	require.NoError(t, err)
	k.KillAPIServer()
	gone := time.Now()
	require.Eventually(t, func() bool { return p.source.Report().Trouble != nil && time.Since(gone) > 5*time.Second }, patience, 10*time.Millisecond)
	t.Log(p.source.Report().Trouble)
	require.NoError(t, k.Compact(t.Context()))
	require.NoError(t, k.StartAPIServer(t.Context()))
	k.create(t, configMaps, ns, thing("ConfigMap", "b", "0"))
	back := time.Now()
	p.expect(true, "ADD a 0", "ADD b 0")
	p.well()
	t.Logf("seen %v after the API server was back", time.Since(back).Round(time.Millisecond))
}

// TestKubernetesFullBus has no room on the bus for a minute, while objects of
// 32 KB change all the time.
func TestKubernetesFullBus(t *testing.T) {
	k := startKube(t, kubetest.Config{})
	ns := k.namespace(t, "full")
	const objects = 50
	var full atomic.Bool
	p := k.process(t, &memory.Store{}, func(s *resource.Source) { s.Namespaces = []string{ns} })
	var mu sync.Mutex
	last, added := map[string]string{}, map[string]bool{}
	p.rec.Then = func(_ context.Context, e hearken.Event) error {
		if full.Load() {
			return fmt.Errorf("test: %w", bus.ErrFull)
		}
		d, err := parse(e)
		mu.Lock()
		defer mu.Unlock()
		last[d.Body.Metadata.Name] = d.Body.Metadata.ResourceVersion
		added[d.Body.Metadata.Name] = added[d.Body.Metadata.Name] || d.Type == "ADD"
		return err
	}
	forgetful(p)
	p.start().watching(1)
	big := strings.Repeat("x", 32<<10)
	for i := range objects {
		o := thing("ConfigMap", fmt.Sprintf("o%d", i), "0")
		o["data"] = map[string]any{"big": big}
		k.create(t, configMaps, ns, o)
	}
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(added) == objects }, patience, 10*time.Millisecond)

	full.Store(true)
	began, updates := time.Now(), 0
	var heaps []uint64
	want := map[string]string{}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for next := began; time.Since(began) < time.Minute; <-ticker.C {
		name := fmt.Sprintf("o%d", updates%objects)
		updates++
		o := k.patch(t, configMaps, ns, name, fmt.Sprintf(`{"metadata":{"annotations":{"n":"%d"}}}`, updates))
		want[name] = o.GetResourceVersion()
		if time.Now().After(next) {
			next = next.Add(10 * time.Second)
			heaps = append(heaps, liveHeap())
		}
	}
	heaps = append(heaps, liveHeap())
	o := thing("ConfigMap", "late", "0")
	want["late"] = k.create(t, configMaps, ns, o).GetResourceVersion()
	full.Store(false)
	freed := time.Now()
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		for name, version := range want {
			if last[name] != version {
				return false
			}
		}
		return added["late"]
	}, 2*patience, 10*time.Millisecond, "every object's latest state, after a thousand others\n%s", p.log)
	t.Logf("full for %v, %d updates of 32 KB (%d MB); live heap in KB: %v; all seen %v after there was room; relists %d",
		freed.Sub(began).Round(time.Second), updates, updates*32>>10, heaps, time.Since(freed).Round(time.Millisecond), p.source.Report().Counters["relists"])
	for _, h := range heaps {
		assert.Less(t, h, heaps[0]+12<<10, "the heap is flat; 4 MB of it are what HTTP/2 lets the server send")
	}
}

// liveHeap is what is reachable, in KB.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc >> 10
}

// TestKubernetesSpeed has 5,000 Pods at the start and then 200 changes a second.
func TestKubernetesSpeed(t *testing.T) {
	k := startKube(t, kubetest.Config{})
	ns := k.namespace(t, "speed")
	const objects, rate, changes = 5000, 200, 1000
	began := time.Now()
	createMany(t, k, ns, objects, podManifest, pods)
	t.Logf("%d pods created in %v", objects, time.Since(began).Round(time.Second))

	p := k.process(t, &memory.Store{}, func(s *resource.Source) { s.Resource, s.Namespaces = pods, []string{ns} })
	var emitted, bytes atomic.Int64
	var first atomic.Pointer[time.Time]
	var lag atomic.Int64 // of the last change
	p.rec.Then = func(_ context.Context, e hearken.Event) error {
		now := time.Now()
		first.CompareAndSwap(nil, &now)
		bytes.Add(int64(len(e.Data())))
		emitted.Add(1)
		return nil
	}
	forgetful(p)
	before := liveHeap()
	peak, stopSampling := peakHeap()
	started := time.Now()
	p.start()
	require.Eventually(t, func() bool { return emitted.Load() == objects }, patience, time.Millisecond)
	listed := time.Since(started)
	p.watching(1)
	steady := liveHeap()

	changing := time.Now()
	ticker := time.NewTicker(time.Second / rate)
	defer ticker.Stop()
	var writers sync.WaitGroup
	work := make(chan int)
	for range 4 {
		writers.Go(func() {
			for i := range work {
				_, err := k.admin.Resource(pods).Namespace(ns).Patch(t.Context(), fmt.Sprintf("pod-%d", i), "application/merge-patch+json",
					[]byte(`{"metadata":{"annotations":{"changed":"yes"}}}`), metav1.PatchOptions{})
				assert.NoError(t, err)
			}
		})
	}
	for i := range changes {
		<-ticker.C
		work <- i
	}
	close(work)
	writers.Wait()
	written := time.Now()
	require.Eventually(t, func() bool { return emitted.Load() == objects+changes }, patience, time.Millisecond)
	lag.Store(int64(time.Since(written)))
	after := liveHeap()
	stopSampling()

	p.taps.mu.Lock()
	sinceList := first.Load().Sub(p.taps.listed)
	p.taps.mu.Unlock()
	t.Logf("first event %v after the first page; %d ADDs of %d bytes on average in %v; %d changes in %v (%.0f/s), the last seen %v after it was written",
		sinceList.Round(time.Millisecond), objects, bytes.Load()/emitted.Load(), listed.Round(time.Millisecond), changes,
		written.Sub(changing).Round(time.Millisecond), changes/written.Sub(changing).Seconds(), time.Duration(lag.Load()).Round(time.Millisecond))
	t.Logf("heap in KB: %d before, peak %d (with garbage), live after the list %d, after the changes %d", before, peak.Load(), steady, after)
	assert.Less(t, sinceList, 10*time.Second, "a second, on a machine with nothing else to do")
	assert.Less(t, peak.Load(), before+256<<10)
	assert.Less(t, after, before+32<<10)
}

// peakHeap samples the heap, garbage included, until stop is called.
func peakHeap() (peak *atomic.Uint64, stop func()) {
	peak = &atomic.Uint64{}
	end := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), m.HeapAlloc>>10))
			}
		}
	})
	return peak, func() {
		close(end)
		sampler.Wait()
	}
}

func podManifest(i int) any {
	env := make([]any, 0, 20)
	for n := range 20 {
		env = append(env, map[string]any{"name": fmt.Sprintf("SETTING_%d", n), "value": strings.Repeat("v", 40)})
	}
	return map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": fmt.Sprintf("pod-%d", i), "labels": map[string]any{"app": "my-pod", "tier": "web"}},
		"spec": map[string]any{
			"nodeName": "nowhere",
			"containers": []any{map[string]any{
				"name": "main", "image": "example.com/shop/web:1.2.3", "env": env,
				"resources": map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "64Mi"}},
			}},
		},
	}
}
