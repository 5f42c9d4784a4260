// Package awstest has what tests need in the place of AWS.
//
// [SQS] is a small Amazon SQS in the process. It speaks the AWS JSON 1.0
// protocol, keeps the documented behaviour (long polls that wake, visibility,
// receive counts, redrive, FIFO groups, batches that fail by entry, typed
// errors), and can be made to fail. Under testing/synctest it is reached by
// SQS.Client, which needs no network.
//
// README.md says what is known of the servers of others that the tests with the
// build tag aws run against.
package awstest
