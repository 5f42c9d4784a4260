// Package webhook turns HTTP requests into events.
//
// A [Source] is an http.Handler and a hearken.Source: the application mounts it
// in its own mux, or has a [Server] serve it, and lists it in a pipeline.
//
//	hook := &webhook.Source{Verify: webhook.GitHub(key)}
//	mux.Handle("/webhook", hook)
//	push := &hearken.EventSource{Name: "github", Event: "push", Source: hook}
//
// A request is answered with success only after its event was stored. Until
// then the sender owns it: any other answer means that it has to come again
// (5xx), or never will be taken (4xx). Requests are handled concurrently.
//
// # Events
//
// A plain request becomes an event of type "webhook" whose data is
//
//	{"header": {"Content-Type": ["application/json"]}, "body": ..., "metadata": {...}}
//
// Header names are canonical and values are lists; what may hold a secret
// reads [Masked]. The body is what the content type says:
//
//   - JSON (application/json, text/json, anything +json) as it is;
//   - a form (application/x-www-form-urlencoded) as an object of lists of
//     strings. curl calls everything a form that it is given with -d: so one
//     that begins with { or [ is JSON, and one without a = is refused;
//   - text (text/...) as a string, which must be UTF-8;
//   - anything else as a string in base64. Multipart forms and compressed
//     bodies are refused with 415;
//   - without a content type: JSON, or refused.
//
// For GET and HEAD, and where there is neither body nor content type, it is the
// query as an object of lists of strings, {} if there is none. JSON is checked
// here, once: UTF-8, complete, at most 10,000 levels deep.
//
// A CloudEvent 1.0 in binary, structured (JSON) or batched (JSON) mode of the
// CloudEvents HTTP binding is passed on whole, extensions too, in place of the
// above. The events of a batch are emitted concurrently, and the answer is that
// of the one that fared worst, where "come again" is worse than "never": to
// send the whole batch again is safe, since an event already stored is
// recognised by its source and id.
//
// An event is emitted within the trace that the request names in traceparent
// and tracestate (W3C Trace Context), or that of a handler around the Source
// which has begun a span. Where the sampler of the application's TracerProvider
// follows the parent, a sender thus decides what is sampled.
//
// # Answers
//
//   - 200 success: stored (Source.Status and Source.Body change it)
//   - 400: body, query, CloudEvent or delivery id is malformed
//   - 401: the Verifier refused
//   - 405: the method is not listed, with Allow; OPTIONS gets 204 with Allow
//   - 408: the body did not come in time
//   - 413: larger than Source.MaxBody, or than the bus takes
//   - 415: a content type or encoding that is not understood
//   - 422: the pipeline will never take the event
//   - 503 with Retry-After: before Run and after, bus full, or any other failure
//
// Bodies of errors are a line of text with the reason; what a Verifier found is
// told to the log only. Each refusal while Run runs is logged: at debug level, or
// as a warning where a healthy pipeline and Verifier would not have refused.
//
// The package does not limit rates, decompress bodies, answer CORS preflights
// or the validation handshake of CloudEvents web hooks, and does not register
// hooks with a provider.
package webhook
