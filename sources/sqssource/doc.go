// Package sqssource makes events of the messages of an Amazon SQS queue.
//
//	cfg, err := config.LoadDefaultConfig(ctx)
//	...
//	orders := &hearken.EventSource{Name: "orders", Event: "placed", Source: &sqssource.Source{
//		Client: sqs.NewFromConfig(cfg),
//		Queue:  "orders",
//	}}
//
// Each message is an event of type "sqs", whose id is the message's and whose
// time is when it was sent. Its data is
//
//	{
//	  "messageId": "5fea7756-…",
//	  "messageAttributes": {"kind": {"DataType": "String", "StringValue": "order"}},
//	  "attributes": {"SentTimestamp": "1795621281588", "ApproximateReceiveCount": "1"},
//	  "body": {…}
//	}
//
// where attributes are those of the system (MessageGroupId and AWSTraceHeader too,
// where there is one) and body is as Source.Body says: a JSON object or array as it is, anything
// else as text. What SNS and EventBridge put around it can be taken off.
//
// The trace that the message was sent in, by its attributes traceparent and
// tracestate (W3C Trace Context), becomes the event's extensions of these names.
// triggers/sqstrigger sends them, and so do OpenTelemetry's instrumentations. Those
// in an SNS envelope count where UnwrapSNS takes it off. Where there are none, the
// trace of the attribute AWSTraceHeader does (AWS X-Ray), which services of AWS
// hand on: so it is that of an event that triggers/eventbridgetrigger puts.
//
// # At least once
//
// A message is deleted only after the bus has stored its event, in batches of up
// to ten; entries that fail are deleted again. A process that dies in between
// leaves messages that come again, with the same id: the bus drops them within
// its dedupe window, and the firings of what comes later bear the same ID.
//
// Until then it is held: hidden from other consumers for 30 seconds
// (Source.Visibility), which is extended at half, for at most 12 hours from its
// receipt, the most that SQS allows. So others see the messages of a process
// that was killed half a minute later, and those of one that ended as it should
// at once.
//
// While the bus is full nothing more is received, and what is held is kept and
// emitted again and again. It is not handed back, since each receive counts, and
// the queue's redrive policy would take good messages for poison.
//
// # What is never taken
//
// A message whose event is invalid or too large for the bus, or whose body is not
// the JSON that Source.Body asks for, is logged, counted and left to the queue:
// it becomes visible again, until the queue's redrive policy moves it to a
// dead-letter queue. Set one: without it such a message comes again and again, and each time
// a warning says so.
//
// # Order
//
// Messages of a FIFO queue are emitted one after the other in each message group;
// groups do not wait for each other. The group is the event's "partitionkey"
// extension. When a message is never taken, the later ones of its group that came
// with it are neither emitted nor deleted but handed back, so that SQS gives them
// in order after it; for a minute after that messages are received one by one, so that the
// redrive policy moves only the one. Order is kept into the bus, not beyond: a
// sensor fires for several events at once, unless its Workers are 1, and retries
// some.
//
// # Trouble
//
// Whatever keeps SQS from answering (throttling, credentials that are missing or expired, a
// queue that is not there, yet or any more) is waited for, with growing pauses,
// and shown by Health as the event source's Trouble until the call succeeds.
//
// The rights needed are sqs:ReceiveMessage, sqs:DeleteMessage,
// sqs:ChangeMessageVisibility, sqs:GetQueueUrl for a queue by name, and
// sqs:GetQueueAttributes to tell whether there is a redrive policy.
package sqssource
