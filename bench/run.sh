#!/bin/sh
# Runs the benchmarks and writes what go test writes, for the command report:
# ./run.sh | go run ./report. One argument, a regexp, picks some.
#
# -benchtime counts rounds, in each of which every contestant has its turn. The
# lighter the work the more rounds it takes to even out the noise.
set -eu
cd "$(dirname "$0")"

bench() { # regexp rounds [package]
	go test -run='^$' -bench="$1" -benchtime="$2" -timeout=20m "${3:-.}"
}

if [ $# -gt 0 ]; then
	bench "$1" 11x
	exit
fi
bench '^Benchmark(Filter|Params|WirePeer)' 100x
bench '^Benchmark(Encode|Decode)$' 200000x github.com/hearken-go/hearken/bus/natsbus
bench '^Benchmark(MemoryBus|Engine)' 31x
bench '^BenchmarkJetStream' 15x
bench '^Benchmark(Webhook|Latency)' 11x
bench '^BenchmarkJoin(Pending|Durable|Keyless)' 5x
bench '^Benchmark(SlowSink|SinkDown|BacklogFull|IdleMemory)' 3x
