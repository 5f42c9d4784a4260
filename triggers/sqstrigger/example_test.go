package sqstrigger_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/sqstrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

// example is a firing over a push to main.
func example() hearken.Firing {
	e, err := hearken.NewEvent("commit", "42", map[string]string{"branch": "main"})
	if err != nil {
		panic(err)
	}
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push(): e})
}

// A message bears the firing's ID as an attribute.
func ExampleTrigger() {
	service := new(awstest.SQS) // in the place of Amazon's
	client := newClient("http://sqs.test", service.Client())

	trigger := &sqstrigger.Trigger{
		Client:   client, // sqs.NewFromConfig(cfg)
		QueueURL: service.CreateQueue("builds", nil),
		Payload:  params.Object{"branch": params.Data(push(), "branch")},
	}
	f := example()
	fmt.Println(trigger.Fire(context.Background(), f))

	received, err := client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
		QueueUrl: &trigger.QueueURL, MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m := received.Messages[0]
	fmt.Println(*m.Body, *m.MessageAttributes["firing"].StringValue == f.ID)
	// Output:
	// <nil>
	// {"branch":"main"} true
}

// A FIFO queue drops what is fired again within five minutes.
func ExampleTrigger_fifo() {
	service := new(awstest.SQS)
	trigger := &sqstrigger.Trigger{
		Client:   newClient("http://sqs.test", service.Client()),
		QueueURL: service.CreateQueue("builds.fifo", nil),
		Payload:  params.RawData(push()),
		Group:    params.Data(push(), "branch").Text,
		Attributes: func(f hearken.Firing) (map[string]types.MessageAttributeValue, error) {
			return map[string]types.MessageAttributeValue{
				"sensor": {DataType: aws.String("String"), StringValue: &f.Sensor},
			}, nil
		},
	}
	for range 2 {
		fmt.Println(trigger.Fire(context.Background(), example()))
	}
	fmt.Println(len(service.Messages("builds.fifo")))
	// Output:
	// <nil>
	// <nil>
	// 1
}
