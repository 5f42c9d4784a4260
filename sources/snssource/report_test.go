package snssource_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		counts := func(unauthorized, later, confirmed, unsubscribed uint64) {
			t.Helper()
			assert.Equal(t, map[string]uint64{"unauthorized": unauthorized, "later": later, "confirmed": confirmed, "unsubscribed": unsubscribed},
				s.Report().Counters)
		}
		counts(0, 0, 0, 0)
		rec := start(t, s)

		// What others get wrong is no trouble.
		send(s, post(notify("x").with("TopicArn", topicARN+"2").signed(t)))
		send(s, post(notify("x").with("SigningCertURL", snsHost+"/SimpleNotificationService-1.pem").signed(t)))
		assert.Nil(t, s.Report().Trouble)
		counts(2, 0, 0, 0)

		fake.Handle(certURL, func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })
		since := time.Now()
		send(s, post(notify("x").signed(t)))
		time.Sleep(time.Minute)
		send(s, post(notify("x").signed(t)))
		require.NotNil(t, s.Report().Trouble)
		require.ErrorContains(t, s.Report().Trouble.Err, "no route")
		assert.Equal(t, since, s.Report().Trouble.Time)
		counts(2, 2, 0, 0)

		time.Sleep(time.Minute)
		fake.Answer(certURL, http.StatusOK, toPEM(fake.Leaf))
		send(s, post(notify("x").signed(t)))
		assert.Nil(t, s.Report().Trouble)

		send(s, post(ask().signed(t))) // answered 404 by the fake
		require.ErrorContains(t, s.Report().Trouble.Err, "could not be confirmed")
		counts(2, 3, 0, 0)
		fake.Answer(subscribeURL, http.StatusOK, []byte(confirmedXML))
		send(s, post(ask().signed(t)))
		assert.Nil(t, s.Report().Trouble)
		counts(2, 3, 1, 0)

		send(s, post(ask().with("Type", "UnsubscribeConfirmation").signed(t)))
		require.EqualError(t, s.Report().Trouble.Err, "the subscription was ended")
		counts(2, 3, 1, 1)
		send(s, post(notify("x").signed(t)))
		assert.Nil(t, s.Report().Trouble)
		assert.Len(t, rec.Events(), 2)
	})
}

func TestTroubleEndsWithARawMessageToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		s.AllowRaw = byPassword
		rec := start(t, s)
		send(s, post(ask().signed(t))) // answered 404 by the fake
		require.ErrorContains(t, s.Report().Trouble.Err, "could not be confirmed")
		r := raw("x")
		r.SetBasicAuth("sns", "wrong")
		send(s, r)
		require.NotNil(t, s.Report().Trouble, "anybody may knock")
		send(s, raw("x"))
		assert.Nil(t, s.Report().Trouble)
		only(t, rec)
	})
}

func TestAFullBusIsNotTheSourcesTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source(newSNS(t, nil))
		rec := &sourcetest.Recorder{Then: sourcetest.FailFirst(1, errors.New("disk"))}
		run(t, s, rec.Output())
		require.Equal(t, http.StatusServiceUnavailable, send(s, post(notify("x").signed(t))).Code)
		assert.Nil(t, s.Report().Trouble)
		assert.Equal(t, uint64(1), s.Report().Counters["later"])
	})
}
