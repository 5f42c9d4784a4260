// Package eventbridgetrigger fires by putting an event on an Amazon EventBridge
// bus.
//
//	&eventbridgetrigger.Trigger{
//		Client:     eventbridge.NewFromConfig(cfg),
//		EventBus:   "builds",
//		Source:     "com.example.ci",
//		DetailType: "push",
//		Payload:    params.Object{"branch": params.Data(push, "body.branch")},
//	}
//
// puts one event for each firing; the payload is its detail.
//
// What the trigger takes care of:
//
//   - EventBridge has no key by which it would drop what is put twice, so the
//     firing's ID goes into the detail, as "firing" or where FiringPath says: a
//     target can recognise the repetition that at-least-once delivery means.
//   - Within a trace the event bears it as its trace header, in the form of X-Ray,
//     which is the only one that EventBridge hands on to targets. It says whether
//     the trace is sampled, which targets that trace by X-Ray go by.
//   - PutEvents answers with 200 when it did not take an event, too. That is an
//     *EntryError.
//   - What EventBridge says of the event (too large, no such bus, a detail that
//     is no JSON object, a source that is not the account's to use) is
//     Permanent. All else is retried: throttles, failures inside, credentials
//     that have expired, an answer that did not come.
//   - The SDK's own retries are off: the engine retries.
//
// Success means that EventBridge has taken the event. Whether a rule matches it,
// and what becomes of it at the rule's targets, is theirs.
package eventbridgetrigger
