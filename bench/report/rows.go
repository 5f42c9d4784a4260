package main

// row is a line of the table: one figure of PERFORMANCE.md, and where it is in
// the output of the benchmarks.
type row struct {
	number    int
	what      string
	benchmark string // without "Benchmark" and the number of CPUs
	unit      string
	target    target
}

// target is what a figure has to be: a ratio to the limit of the same run, or
// the figure itself.
type target struct {
	bound    float64
	atLeast  bool
	absolute bool
}

func ratioAtMost(x float64) target  { return target{bound: x} }
func ratioAtLeast(x float64) target { return target{bound: x, atLeast: true} }
func atMost(x float64) target       { return target{bound: x, absolute: true} }

func rows() []row {
	return []row{
		{1, "data filter, 494 B", "Filter/494B", "ns/op", ratioAtMost(1.5)},
		{1, "data filter, 10 KB", "Filter/10240B", "ns/op", ratioAtMost(1.5)},
		{1, "data filter, allocations", "Filter/494B", "allocs/event", atMost(0)},
		{5, "parameter, 494 B", "Params/494B", "ns/op", ratioAtMost(0.5)},
		{5, "parameter, 10 KB", "Params/10240B", "ns/op", ratioAtMost(0.8)},
		{7, "event to the wire", "Encode", "ns/op", atMost(1500)},
		{7, "event from the wire", "Decode", "ns/op", atMost(1500)},
		{8, "memory bus: publish, deliver, settle", "MemoryBus", "ns/op", ratioAtMost(3)},
		{8, "engine: emit, filter, fire, settle", "Engine/workers=16/75B", "ns/op", atMost(1500)},
		{8, "engine, allocations", "Engine/workers=16/75B", "allocs/event", atMost(6)},
		{9, "JetStream publish, 64 callers", "JetStreamPublish", "events/s", ratioAtLeast(0.65)},
		{10, "JetStream consume and settle", "JetStreamConsume", "events/s", ratioAtLeast(0.9)},
		{11, "JetStream publish and handle", "JetStreamBoth", "events/s", ratioAtLeast(0.85)},
		{12, "webhook to sink, memory", "WebhookMemory", "events/s", ratioAtLeast(0.95)},
		{12, "CPU of it", "WebhookMemory", "cpu-µs/event", ratioAtMost(1.2)},
		{12, "lost", "WebhookMemory", "lost", atMost(0)},
		{12, "duplicates", "WebhookMemory", "duplicates", atMost(0)},
		{13, "webhook to sink, durable", "WebhookDurable", "events/s", ratioAtLeast(0.9)},
		{13, "CPU of it", "WebhookDurable", "cpu-µs/event", ratioAtMost(1.15)},
		{13, "lost", "WebhookDurable", "lost", atMost(0)},
		{13, "duplicates", "WebhookDurable", "duplicates", atMost(0)},
		{14, "median latency at 100/s, memory", "Latency/memory", "p50-µs", ratioAtMost(1.1)},
		{14, "median latency at 100/s, durable", "Latency/durable", "p50-µs", ratioAtMost(1.15)},
		{15, "durable, sink takes 50 ms", "SlowSink", "events/s", ratioAtLeast(0.95)},
		{15, "CPU of it", "SlowSink", "cpu-µs/event", target{}},
		{15, "lost", "SlowSink", "lost", atMost(0)},
		{16, "sink down for 3 s: lost", "SinkDown", "lost", atMost(0)},
		{16, "duplicates", "SinkDown", "duplicates", target{}},
		{17, "more than fits: lost of the accepted", "BacklogFull", "lost", atMost(0)},
		{17, "accepted", "BacklogFull", "accepted", target{}},
		{17, "refused with 503", "BacklogFull", "refused", target{}},
		{19, "idle memory, memory bus", "IdleMemory", "memory-MB", atMost(30)},
		{19, "idle memory, durable", "IdleMemory", "durable-MB", atMost(65)},
		{19, "memory of an action", "IdleMemory", "KB/action", atMost(20)},
		{19, "memory of a sensor", "IdleMemory", "KB/sensor", target{}},
		{21, "a million halves wait in memory", "JoinPending", "live-MB", atMost(1024)},
		{21, "memory of the process", "JoinPending", "process-MB", target{}},
		{21, "second half to firing, median", "JoinPending", "p50-µs", target{}},
		{21, "second half to firing, p99", "JoinPending", "p99-µs", atMost(1000)},
		{22, "join of two by key, durable", "JoinDurable", "joins/s", target{}},
		{22, "KV calls of it", "JoinDurable", "calls/join", target{}},
		{23, "join without a key, memory", "JoinKeyless/memory", "events/s", target{}},
		{23, "KV calls of it", "JoinKeyless/memory", "calls/event", target{}},
		{23, "join without a key, durable", "JoinKeyless/durable", "events/s", target{}},
		{23, "KV calls of it", "JoinKeyless/durable", "calls/event", target{}},
	}
}
