package filters_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/filters"
)

// show prints whether the filter matches an event with each of the data.
func show(f hearken.Filter, data ...string) {
	for _, d := range data {
		e, err := hearken.NewEvent("com.example.push", "1", []byte(d))
		if err != nil {
			fmt.Println(err)
			return
		}
		e.SetTime(time.Date(2026, 3, 1, 23, 15, 0, 0, time.UTC))
		e.SetExtension("severity", 4)
		ok, err := f.Match(context.Background(), e)
		fmt.Println(ok, err)
	}
}

func ExampleData() {
	show(filters.Data("body.message", "hello", "hey"),
		`{"body":{"message":"hey"}}`,
		`{"body":{"message":"bye"}}`,
		`{"body":{}}`)
	// Output:
	// true <nil>
	// false <nil>
	// false <nil>
}

func ExampleContext() {
	show(filters.Context("type", filters.Prefix("com.example.")), `{}`)
	show(filters.Context("severity", filters.AtLeast(5)), `{}`)
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleTimeOfDay() {
	show(filters.TimeOfDay("22:00", "06:00", time.UTC), `{}`)
	// Output: true <nil>
}

func ExampleAll() {
	show(filters.All(filters.Data("a", 1), filters.Data("b", filters.Exists)), `{"a":1,"b":2}`, `{"a":1}`)
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleAny() {
	show(filters.Any(filters.Data("a", 1), filters.Data("b", 1)), `{"a":0,"b":1}`, `{}`)
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleNot() {
	show(filters.Not(filters.Data("draft", true)), `{"draft":true}`, `{}`)
	// Output:
	// false <nil>
	// true <nil>
}

func ExampleFunc() {
	large := filters.Func(func(_ context.Context, e hearken.Event) (bool, error) {
		return len(e.Data()) > 10, nil
	})
	show(large, `{}`, `{"a":"long enough"}`)
	// Output:
	// false <nil>
	// true <nil>
}

func ExampleElement() {
	show(filters.Data("labels.#.name", filters.Element("bug", filters.Prefix("kind/"))),
		`{"labels":[{"name":"docs"},{"name":"kind/feature"}]}`,
		`{"labels":[]}`)
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleExcept() {
	show(filters.Data("action", filters.Except("closed", "deleted")), `{"action":"opened"}`, `{"action":"closed"}`, `{}`)
	// Output:
	// true <nil>
	// false <nil>
	// false <nil>
}

func ExampleIn() {
	branches := []string{"main", "release"}
	show(filters.Data("ref", filters.In(branches)), `{"ref":"main"}`)
	// Output: true <nil>
}

func ExampleRegexp() {
	show(filters.Data("ref", filters.Regexp(`^refs/tags/v\d+`)), `{"ref":"refs/tags/v1.2.0"}`)
	// Output: true <nil>
}

func ExampleBetween() {
	show(filters.Data("n", filters.Between(1, 5)), `{"n":5}`, `{"n":5.1}`, `{"n":"5"}`)
	// Output:
	// true <nil>
	// false <nil>
	// false <nil>
}
