// Package lambdatest emulates AWS Lambda for tests: the Invoke API in front, the
// Runtime API behind, and real programs in between, one process for each
// invocation that runs at a time, as Lambda has them. A handler built with
// github.com/aws/aws-lambda-go runs on it unchanged; so does any runtime that
// needs nothing but AWS_LAMBDA_RUNTIME_API.
//
//	emulator, err := lambdatest.Start(lambdatest.Function{Name: "hello", Command: []string{"./hello"}})
//	defer emulator.Close()
//	client := lambda.New(lambda.Options{BaseEndpoint: &emulator.URL, ...})
//
// It answers as AWS documents it: RequestResponse with 200 and the function's
// answer, X-Amz-Function-Error when that is a failure, the log's tail when asked;
// Event with 202; DryRun with 204; and errors with the type in X-Amzn-ErrorType
// and a body that the SDKs read. It checks that a request is signed, not by
// whom. An Event runs once: it is not repeated when it fails.
//
// What it is not: there is no IAM, no limit of rates, no provisioned or shared
// concurrency, no response streaming, no freezing of idle processes.
//
// The program in serve runs an emulator by itself.
package lambdatest
