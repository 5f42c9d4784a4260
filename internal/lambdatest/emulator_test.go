package lambdatest_test

import (
	"cmp"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hearken-go/hearken/internal/lambdatest"
)

// start starts an emulator with the function "echo", which is this binary.
func start(t *testing.T, f lambdatest.Function) *lambdatest.Emulator {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	f.Name, f.Command = "echo", []string{self}
	f.Timeout = cmp.Or(f.Timeout, time.Minute)
	e, err := lambdatest.Start(f)
	require.NoError(t, err)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		assert.NoError(t, e.Close())
	})
	return e
}

type answer struct {
	*http.Response
	body string
}

func (a answer) log(t *testing.T) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(a.Header.Get("X-Amz-Log-Result"))
	require.NoError(t, err)
	return string(text)
}

// invoke sends a request; headers are given as name, value, name, value.
func invoke(t *testing.T, e *lambdatest.Emulator, function, payload string, headers ...string) answer {
	t.Helper()
	return post(t, e, function+"/invocations", payload, headers...)
}

func post(t *testing.T, e *lambdatest.Emulator, path, payload string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+"/2015-03-31/functions/"+path, strings.NewReader(payload))
	require.NoError(t, err)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return answer{resp, string(body)}
}

func TestRequestResponse(t *testing.T) {
	e := start(t, lambdatest.Function{Qualifiers: []string{"live"}})
	for _, tt := range []struct{ name, version string }{
		{"echo/invocations", "$LATEST"},
		{"echo:live/invocations", "live"},
		{"123456789012:function:echo/invocations", "$LATEST"},
		{url.PathEscape("arn:aws:lambda:eu-west-1:123456789012:function:echo") + "/invocations", "$LATEST"},
		{"echo/invocations?Qualifier=live", "live"},
	} {
		a := post(t, e, tt.name, `{"a":1}`)
		assert.Equal(t, http.StatusOK, a.StatusCode, tt.name)
		assert.Equal(t, `{"a":1}`, a.body, tt.name)
		assert.Empty(t, a.Header.Get("X-Amz-Function-Error"), tt.name)
		assert.Equal(t, tt.version, a.Header.Get("X-Amz-Executed-Version"), tt.name)
	}
}

func TestOneProcessRunsManyInvocations(t *testing.T) {
	e := start(t, lambdatest.Function{})
	first := invoke(t, e, "echo", `"who"`)
	second := invoke(t, e, "echo", `"who"`)
	assert.Equal(t, first.body, second.body)
}

func TestFailures(t *testing.T) {
	patient, hurried := start(t, lambdatest.Function{}), start(t, lambdatest.Function{Timeout: 5 * time.Second})
	for _, tt := range []struct{ name, payload, want string }{
		{"of the function", `"fail"`, `"errorType":"Sad"`},
		{"the process ends", `"die"`, `"errorType":"Runtime.ExitError"`},
		{"the process ends after its answer", `"panic"`, `"errorMessage":"oh"`},
		{"too large an answer", `"large"`, `"errorType":"Function.ResponseSizeTooLarge"`},
		{"timeout", `"hang"`, `Task timed out after 5.00 seconds`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := patient
			if tt.name == "timeout" {
				e = hurried
			}
			a := invoke(t, e, "echo", tt.payload)
			assert.Equal(t, http.StatusOK, a.StatusCode)
			assert.Equal(t, "Unhandled", a.Header.Get("X-Amz-Function-Error"))
			assert.Contains(t, a.body, tt.want)
			assert.Equal(t, `1`, invoke(t, e, "echo", `1`).body, "the next invocation is well")
		})
	}
}

func TestTail(t *testing.T) {
	e := start(t, lambdatest.Function{})
	a := invoke(t, e, "echo", `1`)
	assert.Empty(t, a.Header.Get("X-Amz-Log-Result"))
	a = invoke(t, e, "echo", `2`, "X-Amz-Log-Type", "Tail")
	log := a.log(t)
	assert.Regexp(t, `^START RequestId: (\S+) Version: \$LATEST\ninput 2\nEND RequestId: \S+\nREPORT RequestId: \S+\tDuration: `, log)
	assert.NotContains(t, log, "input 1")
	a = invoke(t, e, "echo", `"`+strings.Repeat("x", 5000)+`"`, "X-Amz-Log-Type", "Tail")
	assert.Len(t, a.log(t), 4096)
}

func TestClientContext(t *testing.T) {
	e := start(t, lambdatest.Function{})
	text := base64.StdEncoding.EncodeToString([]byte(`{"custom":{"a":"b"}}`))
	assert.JSONEq(t, `{"custom":{"a":"b"}}`, invoke(t, e, "echo", `"context"`, "X-Amz-Client-Context", text).body)
	assert.Empty(t, invoke(t, e, "echo", `"context"`).body)

	invoke(t, e, "echo", `"context"`, "X-Amz-Client-Context", text, "X-Amz-Invocation-Type", "Event")
	seen := e.Invocations()
	require.Len(t, seen, 3)
	assert.NotEmpty(t, seen[0].ClientContext)
	assert.Empty(t, seen[2].ClientContext, "an Event's does not reach the function")

	for _, bad := range []string{"%%%", base64.StdEncoding.EncodeToString([]byte("{")), base64.StdEncoding.EncodeToString(fill(2700))} {
		a := invoke(t, e, "echo", `1`, "X-Amz-Client-Context", bad)
		assert.Equal(t, http.StatusBadRequest, a.StatusCode)
		assert.Equal(t, "InvalidRequestContentException", a.Header.Get("X-Amzn-ErrorType"))
	}
}

// fill returns JSON of n bytes.
func fill(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }

func TestEvent(t *testing.T) {
	file := t.TempDir() + "/out"
	self, err := os.Executable()
	require.NoError(t, err)
	e, err := lambdatest.Start(lambdatest.Function{
		Name: "touch", Command: []string{"sh", "-c", `echo started >>"$OUT"; exec "$SELF"`}, Env: []string{"OUT=" + file, "SELF=" + self},
		Concurrency: 1,
	})
	require.NoError(t, err)
	for range 3 {
		a := invoke(t, e, "touch", `"die"`, "X-Amz-Invocation-Type", "Event")
		assert.Equal(t, http.StatusAccepted, a.StatusCode)
		assert.Empty(t, a.body)
	}
	// Each ends its process, so each has one.
	assert.Eventually(t, func() bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Count(string(text), "started") == 3
	}, time.Minute, 10*time.Millisecond)
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, e.Close())
}

func TestDryRun(t *testing.T) {
	e := start(t, lambdatest.Function{})
	a := invoke(t, e, "echo", `1`, "X-Amz-Invocation-Type", "DryRun")
	assert.Equal(t, http.StatusNoContent, a.StatusCode)
	assert.Equal(t, "DryRun", e.Invocations()[0].Type)
	a = invoke(t, e, "missing", `1`, "X-Amz-Invocation-Type", "DryRun")
	assert.Equal(t, http.StatusNotFound, a.StatusCode)
}

func TestRefusals(t *testing.T) {
	e := start(t, lambdatest.Function{})
	for _, tt := range []struct {
		name, function, payload string
		headers                 []string
		status                  int
		typ, body               string
	}{
		{"missing", "missing", `1`, nil, 404, "ResourceNotFoundException", `{"Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:missing","Type":"User"}`},
		{"missing version", "echo:7", `1`, nil, 404, "ResourceNotFoundException", `{"Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:echo:7","Type":"User"}`},
		{"no JSON", "echo", `{`, nil, 400, "InvalidRequestContentException", `{"Type":"User","message":"Could not parse request body into json: Could not parse payload into json"}`},
		{"too large", "echo", string(fill(6<<20 + 1)), nil, 413, "RequestEntityTooLargeException", `{"Type":"User","message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}`},
		{"too large an Event", "echo", string(fill(1<<20 + 1)), []string{"X-Amz-Invocation-Type", "Event"}, 413, "RequestEntityTooLargeException", `{"Type":"User","message":"1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"}`},
		{"unsigned", "echo", `1`, []string{"Authorization", ""}, 403, "MissingAuthenticationTokenException", `{"Type":"User","message":"Missing Authentication Token"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := invoke(t, e, tt.function, tt.payload, tt.headers...)
			assert.Equal(t, tt.status, a.StatusCode)
			assert.Equal(t, tt.typ, a.Header.Get("X-Amzn-ErrorType"))
			assert.JSONEq(t, tt.body, a.body)
		})
	}
	invoke(t, e, "echo", string(fill(6<<20)))
	invoke(t, e, "echo", string(fill(1<<20)), "X-Amz-Invocation-Type", "Event")
}

func TestRefuse(t *testing.T) {
	e := start(t, lambdatest.Function{})
	e.Refuse(func(lambdatest.Invocation) *lambdatest.Error { return lambdatest.Throttled(2 * time.Second) })
	a := invoke(t, e, "echo", `1`)
	assert.Equal(t, http.StatusTooManyRequests, a.StatusCode)
	assert.Equal(t, "2", a.Header.Get("Retry-After"))
	assert.JSONEq(t, `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`, a.body)

	e.Refuse(func(i lambdatest.Invocation) *lambdatest.Error {
		if i.AccessKey == "test" {
			return nil
		}
		return lambdatest.UnknownKey()
	})
	assert.Equal(t, http.StatusOK, invoke(t, e, "echo", `1`).StatusCode)
	a = invoke(t, e, "echo", `1`, "Authorization", "AWS4-HMAC-SHA256 Credential=other/20260102/us-east-1/lambda/aws4_request, SignedHeaders=host")
	assert.Equal(t, http.StatusForbidden, a.StatusCode)
	assert.Equal(t, "UnrecognizedClientException", a.Header.Get("X-Amzn-ErrorType"))
	assert.JSONEq(t, `{"Type":"User","message":"The security token included in the request is invalid."}`, a.body)
	e.Refuse(nil)
	assert.Equal(t, http.StatusOK, invoke(t, e, "echo", `1`).StatusCode)
}

func TestConcurrency(t *testing.T) {
	e := start(t, lambdatest.Function{Concurrency: 1, Timeout: time.Minute})
	invoke(t, e, "echo", `"hang"`, "X-Amz-Invocation-Type", "Event")
	assert.Eventually(t, func() bool {
		return invoke(t, e, "echo", `1`).StatusCode == http.StatusTooManyRequests
	}, time.Minute, time.Millisecond)
}

func TestBadFunctions(t *testing.T) {
	_, err := lambdatest.Start(lambdatest.Function{Name: "hello"})
	assert.ErrorContains(t, err, "Command")

	e, err := lambdatest.Start(lambdatest.Function{Name: "hello", Command: []string{"/nowhere/at/all"}})
	require.NoError(t, err)
	a := invoke(t, e, "hello", `1`)
	assert.Equal(t, http.StatusInternalServerError, a.StatusCode)
	assert.Equal(t, "ServiceException", a.Header.Get("X-Amzn-ErrorType"))
	http.DefaultClient.CloseIdleConnections()
	require.NoError(t, e.Close())

	_, err = lambdatest.StartAt(t.Context(), "256.0.0.1:0")
	assert.Error(t, err)
}
