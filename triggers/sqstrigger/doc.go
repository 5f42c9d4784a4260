// Package sqstrigger fires by sending a message to an Amazon SQS queue.
//
//	&sqstrigger.Trigger{
//		Client:   sqs.NewFromConfig(cfg),
//		QueueURL: "https://sqs.eu-west-1.amazonaws.com/123456789012/builds",
//		Payload:  params.Object{"branch": params.Data(push, "body.branch")},
//	}
//
// sends one message for each firing.
//
// What the trigger takes care of:
//
//   - The firing's ID goes along as a message attribute, so that a consumer can
//     recognise the repetition that at-least-once delivery means. A FIFO queue
//     drops it by itself for five minutes, by a deduplication id that is made of
//     the ID.
//   - Within a trace the message bears it as the attributes traceparent and
//     tracestate (W3C Trace Context), unless the application sets traceparent or
//     has ten attributes already. They count towards the message's size.
//   - What SQS says of the message (too large, no such queue, a parameter that
//     it does not take) is Permanent; a text that it would change is too. All
//     else is retried: throttles, credentials that have expired, an answer that
//     did not come.
//   - The SDK's own retries are off: the engine retries.
//
// How large a message may be is for SQS to say, since the limit has changed and
// may be set by queue.
package sqstrigger
