package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/hearken-go/hearken/sources/webhook"
)

// A Source is mounted in the application's own mux. Here a Recorder stands in
// for the pipeline behind it.
func ExampleSource() {
	hook := &webhook.Source{
		Methods:  []string{"POST"},
		Verify:   webhook.AllowUnauthenticated,
		Metadata: map[string]string{"team": "ops"},
	}
	mux := http.NewServeMux()
	mux.Handle("/webhook", hook)

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	rec := &sourcetest.Recorder{}
	go func() { ended <- hook.Run(ctx, rec.Output()) }()

	answer := httptest.NewRecorder()
	answer.Code = http.StatusServiceUnavailable
	for answer.Code == http.StatusServiceUnavailable { // until Run lets requests in
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhook", strings.NewReader(`{"message":"hello"}`))
		answer = httptest.NewRecorder()
		mux.ServeHTTP(answer, r)
	}
	fmt.Println(answer.Code, answer.Body)
	fmt.Println(string(rec.Events()[0].Data()))
	cancel()
	fmt.Println(<-ended)
	// Output:
	// 200 success
	// {"header":{},"body":{"message":"hello"},"metadata":{"team":"ops"}}
	// <nil>
}

// A Server serves a Source where the application has no HTTP server.
func ExampleServer() {
	hook := &webhook.Source{Verify: webhook.AllowUnauthenticated}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &webhook.Server{Listener: listener, Handler: hook}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()

	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+listener.Addr().String(), http.NoBody)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	var body bytes.Buffer
	_, err = body.ReadFrom(resp.Body)
	fmt.Print(resp.StatusCode, " ", &body)
	fmt.Println(err, resp.Body.Close())
	cancel()
	fmt.Println(<-ended)
	// Output:
	// 503 the webhook is not running
	// <nil> <nil>
	// <nil>
}

// GitHub, with the test vector that GitHub publishes.
func ExampleGitHub() {
	verify := webhook.GitHub("the key before", "It's a Secret to Everybody")
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil)
	r.Header.Set("X-GitHub-Delivery", "72d3162e")
	r.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	fmt.Println(verify.Verify(r, []byte("Hello, World!")))
	fmt.Println(verify.Verify(r, []byte("Hello, World?")))
	// Output:
	// {72d3162e false } <nil>
	// { false } unauthorized: the signature is by none of the keys
}

func ExampleBearer() {
	verify := webhook.Bearer("new", "old")
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil)
	for _, token := range []string{"new", "old", "none"} {
		r.Header.Set("Authorization", "Bearer "+token)
		_, err := verify.Verify(r, nil)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// unauthorized: unknown token
}

// A token in a header of its own, as GitLab sends it.
func ExampleToken() {
	verify := &webhook.Token{
		Header: "X-Gitlab-Token",
		Tokens: []hearken.Secret{"t0ken"},
		ID:     webhook.Part{Header: "X-Gitlab-Event-UUID"},
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil)
	r.Header.Set("X-Gitlab-Token", "t0ken")
	r.Header.Set("X-Gitlab-Event-UUID", "13792a34")
	v, err := verify.Verify(r, nil)
	fmt.Println(v.ID, err)
	// Output: 13792a34 <nil>
}

func ExampleBasic() {
	verify := webhook.Basic{{User: "ci", Password: "s3cret"}}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil)
	r.SetBasicAuth("ci", "s3cret")
	_, err := verify.Verify(r, nil)
	fmt.Println(err, verify)
	// Output: <nil> [{ci ***}]
}

// The scheme of Standard Webhooks: a key in base64, and a signature over the
// id, the time and the body. Given to a Source, Validate finds what is missing.
func ExampleHMAC() {
	verify := &webhook.HMAC{
		Keys:      []hearken.Secret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
		DecodeKey: webhook.Base64Key("whsec_"),
		Header:    "Webhook-Signature",
		Separator: " ",
		Prefix:    "v1,",
		Encoding:  base64.StdEncoding,
		Signed: []webhook.Part{
			{Header: "Webhook-Id"}, {Text: "."}, {Header: "Webhook-Timestamp"}, {Text: "."}, {Body: true},
		},
		Timestamp: webhook.Part{Header: "Webhook-Timestamp"},
		ID:        webhook.Part{Header: "Webhook-Id"},
	}
	fmt.Println(verify.Validate())

	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil)
	r.Header.Set("Webhook-Id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	r.Header.Set("Webhook-Timestamp", "1614265330") // of 2021: too old
	r.Header.Set("Webhook-Signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	_, err := verify.Verify(r, []byte(`{"test": 2432232314}`))
	reason, _, _ := strings.Cut(err.Error(), " is ")
	fmt.Println(reason)
	// Output:
	// <nil>
	// unauthorized: time stamp 1614265330
}

func ExampleBase64Key() {
	decode := webhook.Base64Key("whsec_")
	key, err := decode("whsec_c2VjcmV0")
	fmt.Printf("%s %v\n", key, err)
	// Output: secret <nil>
}

// officeOnly is a Verifier of an application's own.
type officeOnly struct{}

func (officeOnly) Verify(r *http.Request, _ []byte) (webhook.Verified, error) {
	if !strings.HasPrefix(r.RemoteAddr, "192.0.2.") {
		return webhook.Verified{}, fmt.Errorf("%w: not from the office", webhook.ErrUnauthorized)
	}
	return webhook.Verified{ID: r.Header.Get("X-Request-Id")}, nil
}

func ExampleVerifier() {
	var verify webhook.Verifier = officeOnly{}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", nil)
	r.RemoteAddr = "198.51.100.7:1234"
	_, err := verify.Verify(r, nil)
	fmt.Println(err)
	// Output: unauthorized: not from the office
}
