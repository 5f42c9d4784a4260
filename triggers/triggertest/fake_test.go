package triggertest_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

var push = &hearken.Dependency{EventSource: &hearken.EventSource{Name: "git", Event: "push"}}

var errRefused = errors.New("refused")

// fake is a trigger and its target in one. Flaw names what is wrong with it.
type fake struct {
	Flaw   string
	Broken bool // a mistake for Validate to find

	mu      sync.Mutex
	busy    sync.Mutex
	keys    []string
	refuses bool
	away    bool
	failed  bool
	hang    chan struct{}
	leaked  chan struct{}
}

func harness(flaw string) triggertest.Harness {
	return triggertest.Harness{
		New: func(tb testing.TB) triggertest.Target {
			f := &fake{Flaw: flaw, leaked: make(chan struct{})}
			tb.Cleanup(func() { close(f.leaked) })
			return f.target()
		},
		Needs:  push,
		Broken: map[string]hearken.Trigger{"Broken": &fake{Flaw: flaw, Broken: true}},
	}
}

func (f *fake) target() triggertest.Target {
	set := func(set func()) {
		f.mu.Lock()
		defer f.mu.Unlock()
		set()
	}
	return triggertest.Target{
		Trigger: f,
		Keys: func() (keys []string) {
			set(func() { keys = slices.Clone(f.keys) })
			return keys
		},
		Refuse: func() func() {
			set(func() { f.refuses = true })
			return func() { set(func() { f.refuses = false }) }
		},
		Hang: func() <-chan struct{} {
			reached := make(chan struct{}, 8)
			set(func() { f.hang = reached })
			return reached
		},
		Away: func() { set(func() { f.away = true }) },
	}
}

func (f *fake) Fire(ctx context.Context, firing hearken.Firing) error {
	if f.Flaw == "cannot be called concurrently" {
		if !f.busy.TryLock() {
			return errors.New("busy")
		}
		defer f.busy.Unlock()
		<-time.After(time.Millisecond)
	}
	if err := ctx.Err(); err != nil && f.Flaw != "does not look at an ended context" {
		return err
	}
	if err := f.read(firing); err != nil {
		return err
	}
	return f.outcome(ctx, firing)
}

// read holds the lock, so that what changes events does it without a race: the
// kit must find it without the race detector.
func (f *fake) read(firing hearken.Firing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, err := firing.Event(push)
	switch {
	case err == nil && f.Flaw == "changes the data":
		e.DataEncoded[0] = 'x'
	case err == nil && f.Flaw == "changes an attribute":
		e.SetSubject("x")
	case err == nil && f.Flaw == "adds an event":
		firing.Events["more"] = e
	case err != nil && f.Flaw == "takes a zero event":
		return nil
	case err != nil && f.Flaw == "panics without an event":
		panic(err)
	}
	return err
}

func (f *fake) outcome(ctx context.Context, firing hearken.Firing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.away && f.Flaw == "does not notice that the target is away":
		return nil
	case f.away && f.Flaw == "gives up when the target is away":
		return hearken.Permanent(errors.New("away"))
	case f.away:
		return errors.New("away")
	case f.hang != nil:
		return f.silence(ctx)
	}
	return f.arrive(firing)
}

func (f *fake) arrive(firing hearken.Firing) error {
	key := firing.ID
	switch f.Flaw {
	case "makes up a key for each attempt":
		key += strconv.Itoa(firing.Attempt)
	case "does nothing":
		return nil
	case "leaks a goroutine":
		go func() { <-f.leaked }()
	case "fails on a key that it has seen":
		if slices.Contains(f.keys, key) && !f.failed {
			return errors.New("already exists")
		}
	case "keeps an error for ever":
		if f.failed {
			return errRefused
		}
	}
	f.keys = append(f.keys, key)
	if !f.refuses {
		f.failed = false
		return nil
	}
	f.failed = true
	switch f.Flaw {
	case "takes a refusal for success":
		return nil
	case "gives up on a refusal that passes":
		return hearken.Permanent(errRefused)
	}
	return errRefused
}

func (f *fake) silence(ctx context.Context) error {
	f.hang <- struct{}{}
	switch f.Flaw {
	case "ignores its context":
		<-f.leaked
		return nil
	case "hides the context's error":
		<-ctx.Done()
		return errors.New("timeout")
	case "takes the end of its context for success":
		<-ctx.Done()
		return nil
	case "gives up when its context ends":
		<-ctx.Done()
		return hearken.Permanent(ctx.Err())
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fake) Validate() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.Flaw == "fires in Validate" && !f.Broken:
		f.keys = append(f.keys, "x")
	case f.Flaw == "dials in Validate" && f.away:
		return errors.New("away")
	case f.Flaw == "refuses itself" && !f.Broken:
		return errors.New("no")
	case f.Broken && f.Flaw == "finds no mistakes":
		return nil
	case f.Broken && f.Flaw == "does not say where":
		return errors.New("it is broken")
	case f.Broken && f.Flaw == "says a wrong place":
		return &hearken.ConfigError{Path: "Elsewhere", Msg: "is broken"}
	case f.Broken:
		return &hearken.ConfigError{Path: "Broken", Msg: "is broken"}
	}
	return nil
}

func (f *fake) Reads() []hearken.Read {
	if f.Flaw == "reads from nowhere" {
		return []hearken.Read{{Path: "Payload"}}
	}
	return []hearken.Read{{Dependency: push, Path: "Payload"}}
}
