package eventbridgetrigger_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/triggers/eventbridgetrigger"
	"github.com/hearken-go/hearken/triggers/params"
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

// The firing's ID goes into the detail.
func ExampleTrigger() {
	service := new(bus) // in the place of Amazon's
	client := newClient("http://events.test", &http.Client{Transport: awstest.InProcess(service)})

	trigger := &eventbridgetrigger.Trigger{
		Client:     client, // eventbridge.NewFromConfig(cfg)
		EventBus:   "builds",
		Source:     "com.example.ci",
		DetailType: "push",
		Payload:    params.Object{"branch": params.Data(push(), "branch")},
	}
	f := example()
	fmt.Println(trigger.Fire(context.Background(), f))

	e := service.all()[0]
	fmt.Println(e.EventBusName, e.Source, e.DetailType, e.Detail == `{"branch":"main","firing":"`+f.ID+`"}`)
	// Output:
	// <nil>
	// builds com.example.ci push true
}

// PutEvents says 200 and means no.
func ExampleEntryError() {
	service := new(bus)
	service.set(failed("NotAuthorizedForSourceException", "Not authorized for the source."), nil)

	trigger := &eventbridgetrigger.Trigger{
		Client:     newClient("http://events.test", &http.Client{Transport: awstest.InProcess(service)}),
		Source:     "com.example.ci",
		DetailType: "push",
		Payload:    params.RawData(push()),
	}
	err := trigger.Fire(context.Background(), example())
	var failure *eventbridgetrigger.EntryError
	fmt.Println(errors.As(err, &failure), failure.Code, hearken.IsPermanent(err))
	// Output: true NotAuthorizedForSourceException true
}
