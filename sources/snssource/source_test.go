package snssource_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/sources/snssource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValidate(t *testing.T) {
	require.NoError(t, (&snssource.Source{TopicARN: topicARN}).Validate())
	err := (&snssource.Source{MaxBody: -1, Mask: []string{"X-Ok", "not ok", ""}}).Validate()
	assert.EqualError(t, err, `TopicARN: is empty; it is the topic's ARN, such as arn:aws:sns:eu-west-1:123456789012:news
MaxBody: -1 is negative; zero means 2097152 bytes
Mask[1]: "not ok" is no name of a header
Mask[2]: "" is no name of a header`)
	for arn, want := range map[string]string{
		"news": "is no ARN of a topic",
		"arn:aws:sqs:eu-west-1:123456789012:news":                        "is no ARN of a topic",
		"arn:aws:sns:eu-west-1:123456789012:news:sub":                    "is no ARN of a topic",
		"arn:aws:sns::123456789012:news":                                 "is no ARN of a topic",
		"arn:aws:sns:evil.example/:123456789012:news":                    "is no ARN of a topic",
		"arn:aws:sns:eu-west-1:12345678901:news":                         "is no ARN of a topic",
		"arn:aws-x:sns:eu-west-1:123456789012:news":                      `is in partition "aws-x"`,
		"arn:aws:sns:eu-west-1:123456789012:news.fifo":                   "is a FIFO topic",
		"arn:aws:sns:eu-west-1:123456789012:":                            `has "" for the topic's name`,
		"arn:aws:sns:eu-west-1:123456789012:a b":                         `has "a b" for the topic's name`,
		"arn:aws:sns:eu-west-1:123456789012:news\n":                      "for the topic's name",
		"arn:aws:sns:eu-west-1:123456789012:" + strings.Repeat("x", 257): "for the topic's name",
	} {
		var mistake *hearken.ConfigError
		require.ErrorAs(t, (&snssource.Source{TopicARN: arn}).Validate(), &mistake, arn)
		assert.Equal(t, "TopicARN", mistake.Path)
		assert.Contains(t, mistake.Msg, want)
	}
}

func TestRunRefusesMistakes(t *testing.T) {
	s := &snssource.Source{}
	err := s.Run(t.Context(), (&sourcetest.Recorder{}).Output())
	require.ErrorContains(t, err, "TopicARN: is empty")
	assert.True(t, hearken.IsPermanent(err))

	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		start(t, s)
		err := s.Run(t.Context(), (&sourcetest.Recorder{Topic: bus.Topic{EventSource: "sns", Event: "other"}}).Output())
		require.ErrorContains(t, err, "runs already")
		assert.True(t, hearken.IsPermanent(err))
	})
}

func TestItAnswers503WhileRunDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		away := func() {
			w := send(s, post(notify("x").signed(t)))
			assert.Equal(t, http.StatusServiceUnavailable, w.Code)
			assert.Equal(t, "5", w.Header().Get("Retry-After"))
		}
		away()
		rec := &sourcetest.Recorder{}
		for range 2 {
			stop := run(t, s, rec.Output())
			assert.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
			stop()
			away()
		}
		assert.Len(t, rec.Events(), 2)
	})
}

func TestWhatEmitSaysIsAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want int
		body string
	}{
		"full":        {fmt.Errorf("x: %w", bus.ErrFull), http.StatusServiceUnavailable, "there is no room"},
		"too large":   {hearken.Permanent(bus.ErrRejected), http.StatusRequestEntityTooLarge, "too large for the bus"},
		"permanent":   {hearken.Permanent(errors.New("not valid")), http.StatusUnprocessableEntity, "not valid"},
		"not running": {hearken.ErrNotRunning, http.StatusServiceUnavailable, "not running"},
		"other":       {errors.New("disk"), http.StatusServiceUnavailable, "could not be stored"},
	} {
		inBubble(t, name, func(t *testing.T) {
			s := source(newSNS(t, nil))
			rec := &sourcetest.Recorder{Then: sourcetest.FailFirst(1, c.err)}
			run(t, s, rec.Output())
			w := send(s, post(notify("x").signed(t)))
			assert.Equal(t, c.want, w.Code)
			assert.Contains(t, w.Body.String(), c.body)
			assert.NotContains(t, w.Body.String(), "disk")
			assert.Equal(t, c.want == http.StatusServiceUnavailable, w.Header().Get("Retry-After") == "5")
			assert.Equal(t, http.StatusOK, send(s, post(notify("x").signed(t))).Code)
			assert.Equal(t, rec.Attempts()[0].ID(), only(t, rec).ID(), "the same id when it is sent again")
		})
	}
}

func TestBodies(t *testing.T) {
	long := notify(strings.Repeat("x", 2000))
	for name, c := range map[string]struct {
		request func(t *testing.T) *http.Request
		want    int
	}{
		"short enough": {func(t *testing.T) *http.Request { return post(notify("x").signed(t)) }, http.StatusOK},
		"too long":     {func(t *testing.T) *http.Request { return post(long.signed(t)) }, http.StatusRequestEntityTooLarge},
		"too long, of unknown length": {func(t *testing.T) *http.Request {
			r := post(nil)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(long.signed(t))), -1
			return r
		}, http.StatusRequestEntityTooLarge},
		"breaks off": {func(*testing.T) *http.Request {
			r := post(nil)
			r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
			return r
		}, http.StatusServiceUnavailable},
		"none": {func(*testing.T) *http.Request {
			r := post(nil)
			r.Body = nil
			return r
		}, http.StatusBadRequest},
		"no POST": {func(t *testing.T) *http.Request {
			r := post(notify("x").signed(t))
			r.Method = http.MethodPut
			return r
		}, http.StatusMethodNotAllowed},
	} {
		inBubble(t, name, func(t *testing.T) {
			s := source(newSNS(t, nil))
			s.MaxBody = 1500
			rec := start(t, s)
			w := send(s, c.request(t))
			assert.Equal(t, c.want, w.Code, w.Body)
			assert.Equal(t, c.want == http.StatusOK, len(rec.Events()) == 1)
			assert.Equal(t, c.want == http.StatusMethodNotAllowed, w.Header().Get("Allow") == http.MethodPost)
		})
	}
}

func TestBodiesAsLargeAsCanBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		s.MaxBody = math.MaxInt64
		rec := start(t, s)
		w := send(s, post(notify("x").signed(t)))
		assert.Equal(t, http.StatusOK, w.Code, w.Body)
		only(t, rec)
	})
}

func TestSNSsLargestMessageFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		rec := start(t, s)
		w := send(s, post(notify(strings.Repeat("\x01", 256<<10)).signed(t))) // six bytes of JSON each
		assert.Equal(t, http.StatusOK, w.Code, w.Body)
		assert.Len(t, rec.Events(), 1)
	})
}

func TestWhoKnocksDoesNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		var log bytes.Buffer
		rec := &sourcetest.Recorder{Logger: textLogger(&log)}
		run(t, s, rec.Output())
		body := notify("x").with("TopicArn", topicARN+"2").signed(t)
		for range 100 {
			send(s, post(body))
			time.Sleep(150 * time.Millisecond)
		}
		assert.Equal(t, 2, strings.Count(log.String(), "request refused"))
		assert.Contains(t, log.String(), "the message is of topic")
	})
}

// SNS does not send again what is answered so, and it was SNS that sent it.
func TestEachMessageThatIsNeverTakenIsWarnedOf(t *testing.T) {
	for _, err := range []error{hearken.Permanent(bus.ErrRejected), hearken.Permanent(errors.New("not valid"))} {
		synctest.Test(t, func(t *testing.T) {
			s := source(newSNS(t, nil))
			var log bytes.Buffer
			rec := &sourcetest.Recorder{Logger: textLogger(&log), Then: sourcetest.FailFirst(3, err)}
			run(t, s, rec.Output())
			send(s, post(notify("x").with("TopicArn", topicARN+"2").signed(t))) // somebody knocks
			for _, id := range []string{"a", "b", "c"} {
				send(s, post(notify("x").with("MessageId", id).signed(t)))
				assert.Contains(t, log.String(), `level=WARN msg="sns: a message was not taken, and SNS will not send it again"`)
				assert.Contains(t, log.String(), " message="+id)
			}
			assert.Equal(t, 3, strings.Count(log.String(), "was not taken"))
		})
	}
}

func TestARequestUnderWayIsAnsweredAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		gate := &sourcetest.Gate{}
		rec := &sourcetest.Recorder{Then: gate.Emit}
		stop := run(t, s, rec.Output())
		code := make(chan int)
		r := post(notify("x").signed(t)).WithContext(context.WithoutCancel(t.Context()))
		go func() { code <- send(s, r).Code }()
		synctest.Wait()
		stop()
		gate.Open()
		assert.Equal(t, http.StatusOK, <-code)
	})
}
