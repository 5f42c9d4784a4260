package snssource_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hearken-go/hearken/sources/snssource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/tidwall/gjson"
)

// A Source is mounted in the application's own mux, under the URL that is
// subscribed. Here a Recorder stands in for the pipeline behind it, and a fake
// for SNS.
func ExampleSource() {
	fake := newSNS(&testing.B{}, nil)
	news := &snssource.Source{
		TopicARN:      "arn:aws:sns:eu-west-1:123456789012:news",
		MessageAsJSON: true,
		Transport:     fake,       // the default asks the real SNS
		Roots:         fake.Roots, // the default are the system's
	}
	mux := http.NewServeMux()
	mux.Handle("/sns", news)

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	rec := &sourcetest.Recorder{}
	go func() { ended <- news.Run(ctx, rec.Output()) }()

	body := notify(`{"order":7}`).signed(&testing.B{})
	answer := httptest.NewRecorder()
	answer.Code = http.StatusServiceUnavailable
	for answer.Code == http.StatusServiceUnavailable { // until Run lets requests in
		answer = httptest.NewRecorder()
		mux.ServeHTTP(answer, post(body))
	}
	e := rec.Events()[0]
	fmt.Println(answer.Code, e.Type(), e.ID())
	fmt.Println(gjson.GetBytes(e.Data(), "body.Message.order"))
	cancel()
	fmt.Println(<-ended)
	// Output:
	// 200 sns message-1
	// 7
	// <nil>
}

// A program subscribes its endpoint once it can be reached, at each start if
// that is simplest.
func ExampleSubscribe() {
	var client snssource.Subscriber = &api{} // *sns.Client
	arn, err := snssource.Subscribe(context.Background(), client,
		"arn:aws:sns:eu-west-1:123456789012:news", "https://hooks.example.com/sns",
		map[string]string{"FilterPolicy": `{"kind":["order"]}`})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(arn)
	// Output: arn:aws:sns:eu-west-1:123456789012:news:1
}
