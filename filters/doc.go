// Package filters has the usual filters of a dependency: by the event's data,
// by its context attributes, by the time of day, and their combinations.
//
//	Filter: filters.All(
//		filters.Data("body.action", "opened", "reopened"),
//		filters.Data("body.pull_request.changed_files", filters.AtMost(20)),
//		filters.Not(filters.Context("source", filters.Suffix("/sandbox"))),
//	)
//
// # Values
//
// Data and Context take what is wanted as alternatives: one of them must match.
// Each is a Go value, a *regexp.Regexp or a Matcher. The comparison is typed;
// nothing is converted:
//
//   - a string matches a JSON string that is equal, never a number;
//   - an integer or a float matches a JSON number of the same value: 5, 5.0 and
//     5e0 are one. An integer in JSON is compared exactly with a Go integer, up
//     to 64 bits; otherwise both count as float64. A json.Number is one or the
//     other, as it is written;
//   - a bool matches true or false, and nil matches null.
//
// # What is absent
//
// A path that leads nowhere is "no match" for every value, null included, and
// never an error; [Absent] asks for it. Not turns that around: Not(Data("a", 1))
// matches an event without a. [Except] wants a to be there.
//
// # Mistakes and errors
//
// A mistake, such as a bad regular expression, is reported by Validate, which
// every filter here has. Until it is mended Match returns it as an error, never
// an answer. Apart from that only a Func can fail.
//
// # Why an event was rejected
//
// Every filter here has a method Explain(hearken.Event) string, which says what
// was found and what was wanted. The engine calls it for the debug line of a
// rejected event. The text holds values of the event, cut to 100 bytes.
//
// Filters are immutable, and all their methods may be called concurrently.
package filters
