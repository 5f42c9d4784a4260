package sourcetest_test

import (
	"context"
	"fmt"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/sourcetest"
)

// countdown emits three events and has then finished.
func countdown(ctx context.Context, out hearken.Output) error {
	for _, id := range []string{"3", "2", "1"} {
		e, err := hearken.NewEvent("countdown", id, nil)
		if err != nil {
			return err
		}
		if err := out.Emit(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// A unit test runs a source into a Recorder.
func ExampleRecorder() {
	rec := &sourcetest.Recorder{}
	err := hearken.SourceFunc(countdown).Run(context.Background(), rec.Output())
	for _, e := range rec.Events() {
		fmt.Println(e.Type(), e.ID())
	}
	fmt.Println(err)
	// Output:
	// countdown 3
	// countdown 2
	// countdown 1
	// <nil>
}

func ExampleFailFirst() {
	rec := &sourcetest.Recorder{Then: sourcetest.FailFirst(1, bus.ErrFull)}
	err := hearken.SourceFunc(countdown).Run(context.Background(), rec.Output())
	fmt.Println(len(rec.Attempts()), len(rec.Events()), err)
	// Output: 1 0 bus: full
}

func ExampleGate() {
	gate := &sourcetest.Gate{}
	rec := &sourcetest.Recorder{Then: gate.Emit}
	ended := make(chan error)
	go func() { ended <- hearken.SourceFunc(countdown).Run(context.Background(), rec.Output()) }()

	_, err := rec.WaitAttempts(context.Background(), 1)
	fmt.Println(len(rec.Events()), "stored while the gate is closed", err)
	gate.Open()
	fmt.Println(<-ended, len(rec.Events()))
	// Output:
	// 0 stored while the gate is closed <nil>
	// <nil> 3
}
