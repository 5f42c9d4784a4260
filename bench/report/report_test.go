package main

import (
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

const printed = `goos: linux
cpu: Some Processor
BenchmarkFilter/494B-2     100   201.2 ns/op   0.001 allocs/event   223.0 limit-ns/op   0.9071 x-ns/op
BenchmarkMemoryBus-2        31   725.7 ns/op   163.5 limit-ns/op   15214 go-cloud-ns/op   4792 watermill-ns/op   4.428 x-ns/op
BenchmarkJetStreamPublish-2
BenchmarkJetStreamPublish-2 15   129237 events/s   184001 limit-events/s   0.6458 x-events/s
BenchmarkBacklogFull-2       3   0 lost   4000 refused
BenchmarkUnknown-2           1   1 ns/op
PASS
`

const table = `Measured on Some Processor.

| #  | what                                 | unit         | limit  | Hearken | ratio | target   |           | peers                          |
| -- | ------------------------------------ | ------------ | ------ | ------- | ----- | -------- | --------- | ------------------------------ |
| 1  | data filter, 494 B                   | ns/op        | 223    | 201     | 0.91  | ≤ 1.5 ×  | met       |                                |
| 1  | data filter, allocations             | allocs/event |        | 0.00    |       | ≤ 0      | met       |                                |
| 8  | memory bus: publish, deliver, settle | ns/op        | 164    | 726     | 4.43  | ≤ 3 ×    | MISSED    | go-cloud 15214, watermill 4792 |
| 9  | JetStream publish, 64 callers        | events/s     | 184001 | 129237  | 0.65  | ≥ 0.65 × | met       |                                |
| 17 | more than fits: lost of the accepted | lost         |        | 0       |       | ≤ 0      | met       |                                |
| 17 | accepted                             | accepted     |        |         |       |          | no figure |                                |
| 17 | refused with 503                     | refused      |        | 4000    |       |          |           |                                |
`

func TestReport(t *testing.T) {
	var out, progress strings.Builder
	if err := run(strings.NewReader(printed), &out, &progress); err != nil {
		t.Fatal(err)
	}
	if out.String() != table {
		t.Errorf("got\n%s\nwant\n%s", out.String(), table)
	}
	if progress.String() != printed {
		t.Errorf("repeated\n%s", progress.String())
	}
}

func TestReportOfFailure(t *testing.T) {
	if err := run(strings.NewReader(printed+"FAIL\tbench\t1s\n"), io.Discard, io.Discard); !errors.Is(err, errFailed) {
		t.Errorf("got %v", err)
	}
	if err := run(strings.NewReader("ok\n"), io.Discard, io.Discard); err == nil {
		t.Error("no benchmarks, and no error")
	}
	if err := run(strings.NewReader("BenchmarkFilter/494B-2 1 x ns/op\n"), io.Discard, io.Discard); err == nil {
		t.Error("no number, and no error")
	}
}

func TestVerdicts(t *testing.T) {
	tests := []struct {
		target        target
		figure, ratio float64
		want          string
	}{
		{ratioAtMost(1.5), 9, 1.504, "met"},
		{ratioAtMost(1.5), 0, 1.506, "MISSED"},
		{ratioAtLeast(0.9), 0, 0.9, "met"},
		{ratioAtLeast(0.9), 9, 0.89, "MISSED"},
		{atMost(6), 6.001, 99, "met"},
		{atMost(0), 1, 0, "MISSED"},
		{target{}, 1, 1, ""},
		{ratioAtMost(1.5), 1, math.NaN(), "MISSED"},
		{ratioAtLeast(0.9), 1, math.NaN(), "MISSED"},
	}
	for _, tt := range tests {
		if got := tt.target.verdict(tt.figure, tt.ratio); got != tt.want {
			t.Errorf("%v of %v, %v: got %q, want %q", tt.target, tt.figure, tt.ratio, got, tt.want)
		}
	}
}

func TestEachRowHasAWayToPrint(t *testing.T) {
	for _, r := range rows() {
		if cells := r.cells(figures{r.unit: 1}); len(cells) != 9 || strings.ContainsAny(strings.Join(cells, ""), "|\n") {
			t.Errorf("row %d %s: %q", r.number, r.what, cells)
		}
	}
}
