// Package lambdatrigger fires by invoking an AWS Lambda function.
//
//	&lambdatrigger.Trigger{
//		Client:       lambda.NewFromConfig(cfg),
//		FunctionName: "hello",
//		Payload:      params.Object{"name": params.Data(pod, "body.metadata.name")},
//	}
//
// waits for the function's answer (RequestResponse). The other types hand the
// payload to Lambda's queue (Event) or only ask whether they might (DryRun).
//
// What the trigger takes care of:
//
//   - The firing's ID goes along, so that the function can recognise the
//     repetition that at-least-once delivery means: as custom.firing of the
//     client context, and in the payload at FiringPath. Event has no client
//     context, so Validate wants FiringPath, or to be told NoIdempotencyKey.
//   - A function that fails is answered with status 200 and a function error.
//     That is a *FunctionError here: retried twice, then Permanent, or as
//     OnFunctionError says.
//   - An attempt may take 15 minutes and 30 seconds, what the longest function
//     takes and a little. When it ends without an answer after the request was
//     sent, the function may still run: that is Permanent, unless RetryTimeouts.
//   - The SDK's own retries are off. What Lambda says of the request (no such
//     function, a payload that is no JSON or too large) is Permanent. Throttles
//     are retried, and Retry-After is obeyed; so is all else, credentials that
//     have expired or are not to be had among it: another attempt, or the dead
//     letter once the action's Retry is over.
//   - The answer goes to Check, and as an event to the firing's span; within a
//     trace the client context bears custom.traceparent and custom.tracestate
//     (W3C Trace Context).
//
// What it does not do: it builds no credentials, and it does not follow what
// Lambda does with a payload that it took for an Event; on-failure destinations
// are for that. A firing that waits holds one of the sensor's Workers, so no
// more functions run at once than there are of these. A network that drops idle
// connections (a NAT gateway after 350 seconds) cuts long answers off: let the
// client's dialer keep connections alive. The action's Retry counts its time
// from the first attempt: give For more than the 15 minutes that it has by
// itself where functions run for minutes and are to be retried.
package lambdatrigger
