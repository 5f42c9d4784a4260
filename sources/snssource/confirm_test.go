package snssource_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/hearken-go/hearken/sources/snssource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const confirmedXML = `<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <ConfirmSubscriptionResult>
    <SubscriptionArn>` + topicARN + `:1</SubscriptionArn>
  </ConfirmSubscriptionResult>
</ConfirmSubscriptionResponse>`

func TestASubscriptionIsConfirmed(t *testing.T) {
	inBubble(t, "by its URL", func(t *testing.T) {
		fake := newSNS(t, nil)
		fake.Answer(subscribeURL, http.StatusOK, []byte(confirmedXML))
		var log bytes.Buffer
		rec := &sourcetest.Recorder{Logger: textLogger(&log)}
		s := source(fake)
		run(t, s, rec.Output())
		require.Equal(t, http.StatusOK, send(s, post(ask().signed(t))).Code)
		assert.Equal(t, []string{certURL, caURL, subscribeURL}, fake.Asked(), "the signature first")
		assert.Empty(t, rec.Attempts())
		assert.Contains(t, log.String(), "subscription confirmed")
		assert.Contains(t, log.String(), topicARN+":1")
		assert.NotContains(t, log.String(), "secret")
	})
	inBubble(t, "by the client", func(t *testing.T) {
		fake := newSNS(t, nil)
		s, client := source(fake), &api{}
		s.Client = client
		start(t, s)
		require.Equal(t, http.StatusOK, send(s, post(ask().signed(t))).Code)
		assert.Equal(t, []*sns.ConfirmSubscriptionInput{{TopicArn: aws.String(topicARN), Token: aws.String("secret")}}, client.confirmed)
		assert.Equal(t, []string{certURL, caURL}, fake.Asked())
	})
}

func TestAConfirmationThatFailsIsAskedForAgain(t *testing.T) {
	for name, change := range map[string]func(fake *fakeSNS, s *snssource.Source){
		"no connection": func(fake *fakeSNS, _ *snssource.Source) {
			fake.Handle(subscribeURL, func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") })
		},
		"refused": func(fake *fakeSNS, _ *snssource.Source) {
			fake.Answer(subscribeURL, http.StatusForbidden, nil)
		},
		"no XML": func(fake *fakeSNS, _ *snssource.Source) {
			fake.Answer(subscribeURL, http.StatusOK, []byte("{}"))
		},
		"redirect": func(fake *fakeSNS, _ *snssource.Source) {
			fake.Answer(subscribeURL, http.StatusFound, nil, "Location", "https://evil.example/")
			fake.Answer("https://evil.example/", http.StatusOK, []byte(confirmedXML))
		},
		"client": func(_ *fakeSNS, s *snssource.Source) { s.Client = &api{err: errors.New("denied")} },
	} {
		inBubble(t, name, func(t *testing.T) {
			fake := newSNS(t, nil)
			s := source(fake)
			change(fake, s)
			var log bytes.Buffer
			rec := &sourcetest.Recorder{Logger: textLogger(&log)}
			run(t, s, rec.Output())
			w := send(s, post(ask().signed(t)))
			assert.Equal(t, http.StatusServiceUnavailable, w.Code)
			assert.NotEmpty(t, w.Header().Get("Retry-After"))
			assert.Contains(t, log.String(), "could not be confirmed")
			assert.NotContains(t, log.String(), "secret")
			assert.NotContains(t, w.Body.String(), "secret")
			assert.NotContains(t, fake.Asked(), "https://evil.example/")
		})
	}
}

// Who leaves does not end what has begun, and what does not end is given up.
func TestAConfirmationIsFinishedWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		fake.Handle(subscribeURL, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		s := source(fake)
		start(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		time.AfterFunc(time.Second, cancel)
		w := send(s, post(ask().signed(t)).WithContext(ctx))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, 10*time.Second, time.Since(began))
	})
}

// The request would be without what comes after the "#".
func TestATokenThatEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		w := send(s, post(ask().with("SubscribeURL", subscribeURL+"#x", "Token", "secret#x").signed(t)))
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		assert.NotContains(t, fake.Asked(), subscribeURL)
	})
}

// All of these are signed: whoever could have SNS sign them must not make the
// source visit them.
func TestASubscribeURLDoesNothingElse(t *testing.T) {
	query := "/?Action=ConfirmSubscription&TopicArn=" + topicARN + "&Token=secret"
	for name, address := range map[string]string{
		"http":            "http://sns.eu-west-1.amazonaws.com" + query,
		"look-alike":      "https://sns.s3-eu-west-1.amazonaws.com" + query,
		"another region":  "https://sns.us-east-1.amazonaws.com" + query,
		"port":            snsHost + ":8443" + query,
		"userinfo":        "https://u@sns.eu-west-1.amazonaws.com" + query,
		"path":            snsHost + "/x" + query,
		"fragment":        snsHost + query + "#x",
		"another action":  snsHost + "/?Action=Unsubscribe&TopicArn=" + topicARN + "&Token=secret",
		"two actions":     snsHost + query + "&Action=DeleteTopic",
		"another topic":   snsHost + "/?Action=ConfirmSubscription&TopicArn=" + topicARN + "2&Token=secret",
		"another token":   snsHost + query + "2",
		"no token":        snsHost + "/?Action=ConfirmSubscription&TopicArn=" + topicARN,
		"malformed query": snsHost + query + "&%zz",
	} {
		inBubble(t, name, func(t *testing.T) {
			for _, client := range []*api{nil, {}} {
				fake := newSNS(t, nil)
				fake.Answer(address, http.StatusOK, []byte(confirmedXML))
				s := source(fake)
				if client != nil {
					s.Client = client
				}
				start(t, s)
				w := send(s, post(ask().with("SubscribeURL", address).signed(t)))
				assert.Equal(t, http.StatusUnauthorized, w.Code)
				assert.Equal(t, []string{certURL, caURL}, fake.Asked())
				if client != nil {
					assert.Empty(t, client.confirmed)
				}
			}
		})
	}
}

func TestNothingIsConfirmedWithoutASignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s := source(fake)
		start(t, s)
		w := send(s, post(ask().with("Signature", "AAAA").plain(t)))
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		assert.NotContains(t, fake.Asked(), subscribeURL)
	})
}

func TestTheEndOfASubscriptionIsLoggedAndLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newSNS(t, nil)
		s, client := source(fake), &api{}
		s.Client = client
		var log bytes.Buffer
		rec := &sourcetest.Recorder{Logger: textLogger(&log)}
		run(t, s, rec.Output())
		body := ask().with("Type", "UnsubscribeConfirmation").signed(t)
		require.Equal(t, http.StatusOK, send(s, post(body)).Code)
		assert.Contains(t, log.String(), "level=WARN")
		assert.Contains(t, log.String(), "the subscription was ended")
		assert.Equal(t, []string{certURL, caURL}, fake.Asked())
		assert.Empty(t, client.confirmed)
		assert.Empty(t, rec.Attempts())
	})
}

func TestSubscribe(t *testing.T) {
	client := &api{}
	attributes := map[string]string{"FilterPolicy": `{"kind":["order"]}`}
	arn, err := snssource.Subscribe(t.Context(), client, topicARN, "https://user:secret@hooks.example.com/sns", attributes)
	require.NoError(t, err)
	assert.Equal(t, topicARN+":1", arn)
	assert.Equal(t, []*sns.SubscribeInput{{
		TopicArn: aws.String(topicARN), Protocol: aws.String("https"), Endpoint: aws.String("https://user:secret@hooks.example.com/sns"),
		Attributes: attributes, ReturnSubscriptionArn: true,
	}}, client.subscribed)

	for name, c := range map[string]struct{ topic, endpoint, want string }{
		"topic":  {"news", "https://hooks.example.com", "snssource: subscribe: the topic's ARN"},
		"scheme": {topicARN, "ftp://user:secret@hooks.example.com", "the endpoint is no http or https URL"},
		"host":   {topicARN, "https:///secret", "the endpoint is no http or https URL"},
		"no URL": {topicARN, "https://secret\x7f", "the endpoint is no http or https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			client := &api{}
			_, err := snssource.Subscribe(t.Context(), client, c.topic, c.endpoint, nil)
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "secret")
			assert.Empty(t, client.subscribed)
		})
	}
	denied := errors.New("denied")
	_, err = snssource.Subscribe(t.Context(), &api{err: denied}, topicARN, "https://hooks.example.com", nil)
	require.ErrorIs(t, err, denied)
}
