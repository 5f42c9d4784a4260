package filters_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/filters"
	"github.com/tidwall/gjson"
)

// webhookData returns the data of a webhook of about size bytes, the message
// at its end.
func webhookData(size int) string {
	const frame = `{"header":{"Content-Type":["application/json"]},"body":{"repo":{"id":42,"private":false,"name":"x"},"message":"hello"}}`
	item := `{"id":1234,"name":"some name","ok":true},`
	n := max(0, (size-len(frame))/len(item))
	list := `"items":[` + strings.TrimSuffix(strings.Repeat(item, n), ",") + `],"message"`
	return strings.Replace(frame, `"message"`, list, 1)
}

// BenchmarkData prints, beside the usual figures, the time of a match over that
// of a bare gjson lookup and comparison in the same run.
func BenchmarkData(b *testing.B) {
	tests := []struct {
		name  string
		wants []any
	}{
		{"string", []any{"hello"}},
		{"second of two", []any{"hey", "hello"}},
		{"prefix", []any{filters.Prefix("he")}},
		{"number", []any{5}},
	}
	for _, size := range []int{494, 10 << 10} {
		for _, tt := range tests {
			b.Run(fmt.Sprintf("%s/%dB", tt.name, size), func(b *testing.B) {
				e := newEvent(b, webhookData(size))
				f := filters.Data("body.message", tt.wants...)
				b.ReportAllocs()
				var bare, ours time.Duration
				rounds := 0
				for b.Loop() { // the two in turns, so that a busy machine slows both
					start := time.Now()
					for range 100 {
						if gjson.GetBytes(e.Data(), "body.message").Str == "x" {
							b.Fatal("found what is not there")
						}
					}
					bare += time.Since(start)
					start = time.Now()
					for range 100 {
						matchOrFail(b, f, e)
					}
					ours += time.Since(start)
					rounds += 100
				}
				b.ReportMetric(float64(ours.Nanoseconds())/float64(rounds), "ns/match")
				b.ReportMetric(float64(ours)/float64(bare), "x-gjson")
			})
		}
	}
}

func matchOrFail(b *testing.B, f hearken.Filter, e hearken.Event) {
	if _, err := f.Match(context.Background(), e); err != nil {
		b.Fatal(err)
	}
}

// TestDataAllocatesNothingOfItsOwn counts against the bare lookup.
func TestDataAllocatesNothingOfItsOwn(t *testing.T) {
	e := newEvent(t, webhookData(494))
	bare := testing.AllocsPerRun(100, func() {
		if !gjson.GetBytes(e.Data(), "body.message").Exists() {
			t.Error("no message")
		}
	})
	for name, f := range map[string]hearken.Filter{
		"string": filters.Data("body.message", "hey", "hello"),
		"regexp": filters.Data("body.message", filters.Regexp("^hel+o")),
		"number": filters.Data("body.message", 5, filters.Between(1, 2)),
	} {
		ours := testing.AllocsPerRun(100, func() {
			if _, err := f.Match(t.Context(), e); err != nil {
				t.Error(err)
			}
		})
		if ours > bare {
			t.Errorf("%s: %v allocations, the bare lookup %v", name, ours, bare)
		}
	}
}

func BenchmarkContext(b *testing.B) {
	e := newEvent(b, `{}`)
	f := filters.Context("type", "com.example.other", "com.example.test")
	b.ReportAllocs()
	for b.Loop() {
		matchOrFail(b, f, e)
	}
}

func BenchmarkAll(b *testing.B) {
	e := newEvent(b, webhookData(494))
	f := filters.All(filters.Context("type", filters.Prefix("com.")), filters.Data("body.message", "hello"))
	b.ReportAllocs()
	for b.Loop() {
		matchOrFail(b, f, e)
	}
}
