package snstrigger_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/hearken-go/hearken/triggers/snstrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

// A message bears the firing's ID as an attribute.
func ExampleTrigger() {
	service := new(topic) // in the place of Amazon's
	client := newClient("http://sns.test", &http.Client{Transport: awstest.InProcess(service)})

	trigger := &snstrigger.Trigger{
		Client:   client, // sns.NewFromConfig(cfg)
		TopicARN: "arn:aws:sns:us-east-1:123456789012:builds",
		Payload:  params.Object{"branch": params.Data(push(), "branch")},
		Subject:  params.Concat("push to ", params.Data(push(), "branch")).Text,
	}

	e, err := hearken.NewEvent("commit", "42", map[string]string{"branch": "main"})
	if err != nil {
		fmt.Println(err)
		return
	}
	f := triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push(): e})
	fmt.Println(trigger.Fire(context.Background(), f))

	got := service.all()[0]
	fmt.Println(got.Get("Subject"), got.Get("Message"), attribute(got, "firing") == "String:"+f.ID)
	// Output:
	// <nil>
	// push to main {"branch":"main"} true
}
