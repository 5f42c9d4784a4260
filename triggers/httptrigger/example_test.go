package httptrigger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/hearken-go/hearken/triggers/triggertest"
)

// example is a firing over a push to main.
func example() hearken.Firing {
	e, err := hearken.NewEvent("commit", "42", map[string]string{"branch": "main"})
	if err != nil {
		panic(err)
	}
	return triggertest.NewFiring(map[*hearken.Dependency]hearken.Event{push: e})
}

// The least that a trigger needs is a URL.
func ExampleTrigger() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Println(r.Method, r.URL.Path, r.Header.Get("Ce-Type"), string(body))
	}))
	defer server.Close()

	trigger := &httptrigger.Trigger{URL: server.URL + "/builds"}
	defer trigger.CloseIdleConnections()

	fmt.Println(trigger.Fire(context.Background(), example()))
	// Output:
	// POST /builds commit {"branch":"main"}
	// <nil>
}

// The URL, headers and body are functions of the firing where they depend on its
// events.
func ExampleTrigger_functions() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Println(r.Method, r.URL.Path, r.Header.Get("X-Sensor"), string(body))
	}))
	defer server.Close()

	trigger := &httptrigger.Trigger{
		Method: http.MethodPut,
		URLFunc: func(f hearken.Firing) (string, error) {
			e, err := f.Event(push)
			return server.URL + "/builds/" + e.ID(), err
		},
		HeaderFunc: func(f hearken.Firing) (http.Header, error) {
			return http.Header{"X-Sensor": {f.Sensor}}, nil
		},
		Payload: hearken.PayloadFunc(func(f hearken.Firing) ([]byte, error) {
			return json.Marshal(map[string]string{"firing": f.Action})
		}),
		BearerToken: "t0ken",
	}
	defer trigger.CloseIdleConnections()

	fmt.Println(trigger.Fire(context.Background(), example()))
	// Output:
	// PUT /builds/42 sensor {"firing":"action"}
	// <nil>
}

// Some servers say 200 and mean no.
func ExampleTrigger_check() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"ok": false, "error": "channel_not_found"}`)
	}))
	defer server.Close()

	trigger := &httptrigger.Trigger{
		URL: server.URL,
		Check: func(_ hearken.Firing, r *http.Response) error {
			var answer struct {
				OK    bool
				Error string
			}
			if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
				return err
			}
			if !answer.OK {
				return hearken.Permanent(errors.New(answer.Error))
			}
			return nil
		},
	}
	defer trigger.CloseIdleConnections()

	err := trigger.Fire(context.Background(), example())
	fmt.Println(hearken.IsPermanent(err))
	// Output: true
}

// An answer that is not allowed is a *StatusError.
func ExampleStatusError() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such branch", http.StatusNotFound)
	}))
	defer server.Close()

	trigger := &httptrigger.Trigger{URL: server.URL}
	defer trigger.CloseIdleConnections()

	err := trigger.Fire(context.Background(), example())
	var answer *httptrigger.StatusError
	if errors.As(err, &answer) {
		fmt.Printf("%d %q permanent=%t\n", answer.StatusCode, answer.Body, hearken.IsPermanent(err))
	}
	// Output: 404 "no such branch\n" permanent=true
}
