// Package snstrigger fires by publishing a message to an Amazon SNS topic.
//
//	&snstrigger.Trigger{
//		Client:   sns.NewFromConfig(cfg),
//		TopicARN: "arn:aws:sns:eu-west-1:123456789012:builds",
//		Payload:  params.Object{"branch": params.Data(push, "body.branch")},
//	}
//
// publishes one message for each firing.
//
// What the trigger takes care of:
//
//   - The firing's ID goes along as a message attribute, so that a subscriber
//     can recognise the repetition that at-least-once delivery means. A FIFO
//     topic drops it by itself for five minutes, by a deduplication id that is
//     made of the ID.
//   - Within a trace the message bears it as the attributes traceparent and
//     tracestate (W3C Trace Context), unless the application sets traceparent or
//     has ten attributes already. They count towards the message's size.
//   - What SNS says of the message (too large, no such topic, a parameter that
//     it does not take) is Permanent; a text that is no UTF-8 is too. All else
//     is retried: throttles, credentials that have expired, an answer that did
//     not come.
//   - The SDK's own retries are off: the engine retries.
//
// Success means that SNS has taken the message. What becomes of it on the way to
// the subscribers is theirs: a dead-letter queue of the subscription keeps what
// could not be delivered.
package snstrigger
