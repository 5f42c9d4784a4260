package lambdatrigger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/lambdatest"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

// withFunction runs what an example shows with a client for an endpoint that
// has the function "hello", which greets and says what it was told.
func withFunction(show func(client *lambda.Client, f hearken.Firing)) {
	self, err := os.Executable()
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := lambdatest.Start(lambdatest.Function{Name: "hello", Command: []string{self}})
	if err != nil {
		fmt.Println(err)
		return
	}
	event, err := hearken.NewEvent("resource", "1", map[string]any{"body": map[string]any{"metadata": map[string]any{"name": "my-pod"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := lambda.New(options(e.URL, nil))
	show(client, triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{pod(): event}))
	if err := e.Close(); err != nil {
		fmt.Println(err)
	}
}

// The function is waited for, and Check sees its answer.
func ExampleTrigger() {
	withFunction(func(client *lambda.Client, f hearken.Firing) {
		trigger := &lambdatrigger.Trigger{
			Client:       client, // lambda.NewFromConfig(cfg)
			FunctionName: "hello",
			Payload:      params.Object{"name": params.Data(pod(), "body.metadata.name")},
			Check: func(f hearken.Firing, out *lambda.InvokeOutput) error {
				var answer struct {
					Greeting string
					Custom   map[string]string
				}
				err := json.Unmarshal(out.Payload, &answer)
				fmt.Println(answer.Greeting, answer.Custom["firing"] == f.ID)
				return err
			},
		}
		fmt.Println(trigger.Fire(context.Background(), f))
	})
	// Output:
	// hello my-pod true
	// <nil>
}

// Lambda queues the payload of an Event, which bears the firing's ID.
func ExampleTrigger_event() {
	withFunction(func(client *lambda.Client, f hearken.Firing) {
		trigger := &lambdatrigger.Trigger{
			Client:         client,
			FunctionName:   "hello",
			InvocationType: types.InvocationTypeEvent,
			Payload:        params.Object{"name": params.Data(pod(), "body.metadata.name")},
			FiringPath:     "meta.firing",
		}
		fmt.Println(trigger.Fire(context.Background(), f))
	})
	// Output: <nil>
}

// Which failures of the function are worth another attempt is the application's
// to say.
func ExampleFunctionError() {
	kind := "Unhandled"
	client := fake(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{
			StatusCode: 200, FunctionError: &kind, Payload: []byte(`{"errorType":"NoSuchPod","errorMessage":"my-pod is gone"}`),
		}, nil
	})
	trigger := &lambdatrigger.Trigger{
		Client:       client,
		FunctionName: "hello",
		Payload:      params.Object{"name": "my-pod"},
		OnFunctionError: func(_ hearken.Firing, e *lambdatrigger.FunctionError) error {
			if e.Type == "NoSuchPod" {
				return hearken.Permanent(e)
			}
			return e
		},
	}
	err := trigger.Fire(context.Background(), hearken.Firing{ID: "0123456789abcdef0123456789abcdef"})
	var failure *lambdatrigger.FunctionError
	fmt.Println(errors.As(err, &failure), hearken.IsPermanent(err))
	fmt.Println(err)
	// Output:
	// true true
	// lambda function hello failed (Unhandled): NoSuchPod: my-pod is gone
}

// A fake serves where no AWS is wanted: the interface has one method.
func ExampleClient() {
	client := fake(func(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		fmt.Println(aws.ToString(in.FunctionName), string(in.Payload))
		return &lambda.InvokeOutput{StatusCode: 200}, nil
	})
	trigger := &lambdatrigger.Trigger{Client: client, FunctionName: "hello", Payload: params.Object{"name": "my-pod"}}
	fmt.Println(trigger.Fire(context.Background(), hearken.Firing{ID: "0123456789abcdef0123456789abcdef"}))
	// Output:
	// hello {"name":"my-pod"}
	// <nil>
}
