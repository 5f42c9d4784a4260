// Hello is the function that pod-lambda calls, for the runtime provided.al2023 of
// AWS Lambda or the emulator.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(_ context.Context, in struct{ Name string }) (string, error) {
		return "hello, " + in.Name, nil
	})
}
