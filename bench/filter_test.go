package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/filters"
)

// filtered is how many events are judged each round.
const filtered = 2_000

// BenchmarkFilter is row 1: a data filter on a string, against one gjson lookup
// and a comparison.
func BenchmarkFilter(b *testing.B) {
	for _, size := range []int{usualSize, largeSize} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			e := (&eventMaker{data: webhookData(size)}).bare()
			compare(b, filtered, []string{"ns/op"},
				perOperation(hearkens, matches(e, filters.Data(messagePath, "hey", "hello"))),
				perOperation(limits, lookups(e)))
		})
	}
}

func matches(e hearken.Event, f hearken.Filter) func(n int) error {
	return func(n int) error {
		got := 0
		for range n {
			ok, err := f.Match(context.Background(), e)
			if err != nil {
				return err
			}
			if ok {
				got++
			}
		}
		return expect(n, got)
	}
}

func lookups(e hearken.Event) func(n int) error {
	return func(n int) error {
		got := 0
		for range n {
			switch gjson.GetBytes(e.DataEncoded, messagePath).Str {
			case "hey", "hello":
				got++
			}
		}
		return expect(n, got)
	}
}
