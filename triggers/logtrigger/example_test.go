package logtrigger_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/logtrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

func ExampleTrigger() {
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	trigger := &logtrigger.Trigger{
		Logger:  slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
		Message: "push",
	}
	e, err := hearken.NewEvent("commit", "42", map[string]string{"branch": "main"})
	if err != nil {
		fmt.Println(err)
		return
	}
	f := triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e})
	f.ID = "0123456789abcdef0123456789abcdef"
	if err := trigger.Fire(context.Background(), f); err != nil {
		fmt.Println(err)
	}
	// Output:
	// level=INFO msg=push firing=0123456789abcdef0123456789abcdef sensor=sensor action=action attempt=1 events.push.id=42 events.push.source=git events.push.type=commit events.push.subject=push events.push.data="{\"branch\":\"main\"}"
}
