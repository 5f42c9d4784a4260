package sqssource_test

import (
	"context"
	"fmt"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/sources/sqssource"
)

// A pipeline fires for each message of a queue. In an application the client is
// sqs.NewFromConfig's.
func ExampleSource() {
	server := &awstest.SQS{} // stands in for AWS
	server.CreateQueue("orders", nil)
	server.Send("orders", `{"item": "tea", "amount": 3}`, "")

	placed := &hearken.EventSource{Name: "orders", Event: "placed", Source: &sqssource.Source{
		Client: newClient("http://sqs.test", server.Client()),
		Queue:  "orders",
		Wait:   time.Second,
	}}
	ctx, stop := context.WithCancel(context.Background())
	order := &hearken.Dependency{EventSource: placed}
	p := &hearken.Pipeline{
		Name: "shop", Bus: &memory.Bus{}, EventSources: []*hearken.EventSource{placed}, Logger: quiet(),
		Sensors: []hearken.Sensor{{Name: "pack", Actions: []hearken.Action{{
			When: order,
			Trigger: hearken.TriggerFunc(func(_ context.Context, f hearken.Firing) error {
				e, err := f.Event(order)
				fmt.Println(field(e, "body.amount"), field(e, "body.item"))
				stop()
				return err
			}),
		}}}},
	}
	fmt.Println(p.Run(ctx))
	fmt.Println(len(server.Messages("orders")), "messages are left")
	// Output:
	// 3 tea
	// <nil>
	// 0 messages are left
}
