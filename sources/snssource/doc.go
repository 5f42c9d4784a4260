// Package snssource receives the messages of an Amazon SNS topic that is
// subscribed to an HTTP endpoint. A [Source] is that endpoint: an http.Handler
// and a hearken.Source at once.
//
//	news := &snssource.Source{TopicARN: "arn:aws:sns:eu-west-1:123456789012:news"}
//	mux.Handle("/sns", news)
//	orders := &hearken.EventSource{Name: "sns", Event: "news", Source: news}
//
// # Who may send
//
// Only SNS, and only for that topic. A message is taken when its TopicArn is the
// Source's, its Timestamp is at most 75 minutes away, and its signature (version
// 1, SHA-1, or 2, SHA-256) is good by a certificate
//
//   - that comes by HTTPS, without a redirect, from exactly the topic's own SNS
//     host, such as sns.eu-west-1.amazonaws.com, under the name
//     /SimpleNotificationService-<hex>.pem;
//   - that was issued to SNS, is within its dates, and whose chain ends at a root
//     that is trusted here. SNS serves the certificate alone, so its issuer is
//     fetched from where the certificate says that it is, unless Source.Issuers
//     or the file has it.
//
// Certificates are kept for a day, eight at most, and fetched one at a time,
// whatever is posted meanwhile. One that cannot be fetched anew is kept on while
// its dates allow. Whoever knows the topic's ARN can name certificates that are not
// there, and so delay the first good one after Run begins: a message that waits
// behind eight of them is answered 503, and SNS sends it again.
//
// SNS does not sign a message's MessageAttributes and UnsubscribeURL, nor would it
// fields of other names. Whoever else gets the message, by a connection that is
// not https or as another subscriber of the topic, can post it here with others,
// and the bus takes the first to come. So what matters belongs into the Message,
// unless the endpoint's URL is a secret or has a password that a handler around
// the Source asks for.
//
// Raw delivery has no signature, and is refused unless Source.AllowRaw says
// otherwise.
//
// # What is answered
//
// A message is answered 200 once the bus has stored its event, and a 503 asks SNS
// to send it again: before and after Run, while the bus is full, and while a
// certificate cannot be had. SNS gives up on any other answer: 401 for what is
// not SNS's or is too old, 400 for what is no message, 413 and 422 for what
// the bus will never take. It also gives up after an hour of 503; a redrive
// policy of the subscription keeps what it gives up.
//
// The event's id is the MessageId, which stays the same when SNS sends a message
// again, so that the bus drops the second within its dedupe window.
//
// # Subscribing
//
// A Source never subscribes by itself. [Subscribe] does, and so do the console,
// Terraform and CloudFormation; the confirmation that SNS then posts is answered
// by the Source while Run runs: once its signature is good, it visits the
// SubscribeURL on the topic's own host, or calls ConfirmSubscription of
// Source.Client. That a subscription was ended is logged and shown in Health, and
// never undone.
//
// # Events
//
// The type is "sns", the time is the message's Timestamp, and the data, as in
// Argo Events:
//
//	{
//	  "header": {"X-Amz-Sns-Message-Id": ["..."], ...},
//	  "body": {
//	    "Type": "Notification",
//	    "MessageId": "...",
//	    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:news",
//	    "Subject": "...",
//	    "Message": "{\"order\": 7}",
//	    "Timestamp": "2026-03-06T20:00:26.893Z",
//	    ...
//	  },
//	  "metadata": {...}
//	}
//
// The trace that the message was published in, by its attributes traceparent and
// tracestate (W3C Trace Context), becomes the event's extensions of these names.
package snssource
