package lambdatest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes of the test binary a handler, when the emulator starts it as
// one.
func TestMain(m *testing.M) {
	if api := os.Getenv("AWS_LAMBDA_RUNTIME_API"); api != "" {
		if err := handle("http://" + api + "/2018-06-01/runtime/invocation/"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// handle is a runtime by the book, and a function that does what its input says.
func handle(api string) error {
	for {
		resp, err := http.Get(api + "next")
		if err != nil {
			return err
		}
		input, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		path, output := "/response", input
		switch string(input) {
		case `"fail"`:
			path, output = "/error", []byte(`{"errorType":"Sad","errorMessage":"no"}`)
		case `"die"`:
			os.Exit(7)
		case `"hang"`:
			select {}
		case `"large"`:
			output = bytes.Repeat([]byte("1"), 6<<20+1)
		case `"panic"`:
			path, output = "/error", []byte(`{"errorType":"string","errorMessage":"oh"}`)
		case `"context"`:
			output = []byte(resp.Header.Get("Lambda-Runtime-Client-Context"))
		case `"who"`:
			output = fmt.Appendf(nil, "%d", os.Getpid())
		}
		fmt.Fprintf(os.Stderr, "input %s\n", input)
		resp, err = http.Post(api+resp.Header.Get("Lambda-Runtime-Aws-Request-Id")+path, "application/json", bytes.NewReader(output))
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if string(input) == `"panic"` {
			os.Exit(1)
		}
	}
}
