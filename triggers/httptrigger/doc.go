// Package httptrigger fires by an HTTP request.
//
//	&httptrigger.Trigger{URL: "https://ci.example.com/builds"}
//
// posts the event in the binary mode of the CloudEvents HTTP binding: the body
// is the event's data, its attributes are ce- headers. An event whose data is an
// event itself, by its content type, goes in the structured mode. A Payload makes
// another body. An answer with status 2xx is success.
//
// What the trigger takes care of:
//
//   - Each request bears the firing's ID as Idempotency-Key, so that a server
//     can drop the repetition that at-least-once delivery means. net/http then
//     also repeats a request by itself when a kept connection turns out to be
//     dead.
//   - 4xx is Permanent, but for 408, 409, 425, 429, and any that comes with a
//     Retry-After. So is 3xx. All else is retried, and Retry-After is obeyed.
//   - A redirect is followed only to the same host and only when it keeps the
//     method. Credentials and headers are never sent to another host.
//   - Connections are kept and reused by as many firings as run at once. Answers
//     are read to the end, but not beyond 1 MiB nor for longer than a second.
//   - Within a trace, as a firing is where Pipeline.TracerProvider is set, the
//     request bears it as traceparent and tracestate (W3C Trace Context), unless
//     the application's headers do.
//   - Error texts hold neither credentials nor the query of the URL. They do
//     hold its path: a secret belongs in BearerToken, BasicAuth or a Header.
//
// What it does not do: it does not wait for what the server goes on doing after
// its answer, and it sends no request beyond what the application's URL and URL
// function name: where URLs come from events, let the function check the host,
// or give a Client that dials only where it may.
package httptrigger
