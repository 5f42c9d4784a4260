// Package sqscrash shows by crashes that nothing is lost between an SQS queue
// and a sink: its test kills the process that has a pipeline of sqssource,
// embedded JetStream and httptrigger.
package sqscrash
