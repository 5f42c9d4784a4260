// Package logtrigger fires by writing a log record: to see what a condition
// matches before a real trigger acts on it, or as an audit trail.
//
//	&logtrigger.Trigger{}
//
// logs by slog.Default, at level Info, one record for each firing:
//
//	level=INFO msg=firing firing=9f86… sensor=deploy action=notify attempt=1
//	  events.push.id=42 events.push.source=git events.push.type=commit
//	  events.push.subject=push events.push.data="{\"branch\":\"main\"}"
//
// The key firing holds the firing's ID, so repeated records are recognisable.
// An error of the log's handler fails the attempt, and a level that is not
// enabled is success. What an event holds is logged as it is, bounded but not
// redacted: a source that receives secrets must mask them.
package logtrigger
