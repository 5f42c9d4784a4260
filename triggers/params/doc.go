// Package params builds payloads from the events of a firing: single values,
// JSON objects of values, and templates with values put in at paths.
//
//	Payload: params.Object{
//		"message": params.Data(hook, "body.message"),
//		"by":      params.Data(hook, "body.user.name").Or("nobody"),
//		"event":   params.Context(hook, "id"),
//	}
//
// # Values
//
// A [Value] is where something comes from: [Data] at a path, a [Context]
// attribute, the whole [Event], its [RawData], a [Func], a [Const], or the
// [Concat] of several. It keeps its JSON type: a number goes into the payload as
// the same number, digit by digit, an object is embedded. AsText makes a string
// of it.
//
// # What is absent
//
// A value is absent when the dependency has no event in the firing (under Any),
// when the path or attribute is not there, and when the data, or what it holds at
// the path, is not JSON. Null is there. An absent value without Or fails the
// firing for good: the error is Permanent, since another attempt would meet the
// same event. Never is anything left out or empty in silence.
//
// # Payloads
//
// Value, Object and *Template are each a hearken.Payload, and Value.Text is a
// function for a URL or a header. All implement hearken.Reader, so that the
// pipeline's Validate finds a value that may be absent, and hearken.Validator,
// which finds what is wrong in themselves: a template that is no JSON, a
// destination that names no place. All may be used concurrently, and without
// Validate having been called.
//
// Text read from an event is only ever inserted as text or as the JSON that it
// is: never parsed as a path, never taken as a template.
package params
