package params_test

import (
	"fmt"
	"strings"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
)

var hook = &hearken.Dependency{EventSource: &hearken.EventSource{Name: "webhook", Event: "example"}}

// firing returns a firing on a webhook's event.
func firing() hearken.Firing {
	e, err := hearken.NewEvent("webhook", "42", []byte(`{"body":{"message":"hello","count":3,"user":{"login":"ann"}}}`))
	if err != nil {
		panic(err)
	}
	e.SetSource("webhook")
	return hearken.Firing{ID: "f1", Events: map[string]hearken.Event{"example": e}}
}

func show(p hearken.Payload) {
	body, err := p.Payload(firing())
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(string(body))
}

func ExampleData() {
	show(params.Data(hook, "body.user"))
	show(params.Data(hook, "body.message"))
	show(params.Data(hook, "body.message").AsText())
	show(params.Data(hook, "body.mesage"))
	// Output:
	// {"login":"ann"}
	// "hello"
	// hello
	// error: data "body.mesage" of dependency "example" is absent
}

func ExampleValue_Or() {
	other := &hearken.Dependency{EventSource: &hearken.EventSource{Name: "queue", Event: "other"}}
	show(params.Data(hook, "body.by").Or("nobody"))
	show(params.Data(other, "body.message").Or(params.Data(hook, "body.message")))
	// Output:
	// "nobody"
	// "hello"
}

func ExampleValue_Text() {
	url := params.Concat("https://example.com/users/", params.Data(hook, "body.user.login")).Text
	fmt.Println(url(firing()))
	// Output: https://example.com/users/ann <nil>
}

func ExampleContext() {
	show(params.Context(hook, "id"))
	// Output: 42
}

func ExampleEvent() {
	show(params.Event(hook))
	// Output: {"specversion":"1.0","id":"42","source":"webhook","type":"webhook","datacontenttype":"application/json","data":{"body":{"message":"hello","count":3,"user":{"login":"ann"}}}}
}

func ExampleRawData() {
	show(params.RawData(hook))
	// Output: {"body":{"message":"hello","count":3,"user":{"login":"ann"}}}
}

func ExampleConst() {
	show(params.Const([]string{"a", "b"}))
	// Output: ["a","b"]
}

func ExampleConcat() {
	show(params.Object{"text": params.Concat(params.Data(hook, "body.user.login"), " says ", params.Data(hook, "body.count"), " times")})
	// Output: {"text":"ann says 3 times"}
}

func ExampleFunc() {
	shout := params.Func(func(f hearken.Firing) (any, error) {
		e, err := f.Event(hook)
		if err != nil {
			return nil, err
		}
		return strings.ToUpper(e.Source()), nil
	})
	show(params.Object{"from": shout})
	// Output: {"from":"WEBHOOK"}
}

func ExampleObject() {
	show(params.Object{
		"message": params.Data(hook, "body.message"),
		"by":      params.Object{"id": params.Data(hook, "body.user.id").Or(nil)},
		"tags":    []any{"webhook", params.Data(hook, "body.count")},
	})
	// Output: {"by":{"id":null},"message":"hello","tags":["webhook",3]}
}

func ExampleTemplate() {
	show(&params.Template{
		JSON: []byte(`{"metadata":{"generateName":"hello-"},"spec":{"arguments":{"parameters":[{"name":"message"}]}}}`),
		Params: []params.Param{
			{Dest: `spec.arguments.parameters.#(name=="message").value`, Value: params.Data(hook, "body.message")},
			{Dest: `metadata.generateName`, Value: params.Data(hook, "body.user.login"), Operation: params.Append},
			{Dest: `metadata.labels.example\.com/event`, Value: params.Context(hook, "id")},
		},
	})
	// Output: {"metadata":{"generateName":"hello-ann","labels":{"example.com/event":"42"}},"spec":{"arguments":{"parameters":[{"name":"message","value":"hello"}]}}}
}
