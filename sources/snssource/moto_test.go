//go:build aws

package snssource_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/hearken-go/hearken/internal/awstest/servers"
	"github.com/hearken-go/hearken/sources/snssource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// startMoto starts moto's server and returns its address.
func startMoto(t *testing.T) string {
	t.Helper()
	server, err := servers.Start(t.Context(), servers.Moto())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Stop()) })
	return server.Endpoint
}

// motoHosts sends what is for SNS's host to moto. moto's certificate is signed
// by nobody and has no name of SNS's, so it is issued anew, with the same key,
// unless asIs.
type motoHosts struct {
	t       testing.TB
	address string
	fake    *fakeSNS
	asIs    bool
}

func (m *motoHosts) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "sns.eu-west-1.amazonaws.com" {
		return m.fake.RoundTrip(r)
	}
	there, err := http.NewRequestWithContext(r.Context(), r.Method, m.address+r.URL.RequestURI(), http.NoBody)
	if err != nil {
		return nil, err
	}
	// moto's server takes an unsigned request for one to S3.
	there.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sns/aws4_request")
	resp, err := http.DefaultTransport.RoundTrip(there)
	if err != nil || m.asIs || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	file, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(file)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	anew := issue(m.t, m.fake.Leaf, m.fake.Issuer, cert.PublicKey.(*rsa.PublicKey), keys().issuer)
	return response(http.StatusOK, toPEM(anew)), nil
}

func motoClient(t *testing.T, address string) *sns.Client {
	t.Helper()
	return sns.New(sns.Options{
		BaseEndpoint: &address,
		Region:       "eu-west-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

func TestAgainstMoto(t *testing.T) {
	address := startMoto(t)
	client := motoClient(t, address)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	topic, err := client.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("news")})
	require.NoError(t, err)
	require.Equal(t, topicARN, *topic.TopicArn)

	fake := newSNS(t, nil)
	s := source(fake)
	s.Client, s.MessageAsJSON = client, true
	s.Transport = &motoHosts{t: t, address: address, fake: fake}
	strict := source(fake)
	strict.Transport = &motoHosts{t: t, address: address, fake: fake, asIs: true}
	rec, refusing := start(t, s), start(t, strict)
	refused := make(chan int, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		select {
		case refused <- send(strict, post(body)).Code:
		default:
		}
		again := post(body)
		again.Header = r.Header
		answer := send(s, again)
		w.WriteHeader(answer.Code)
	}))
	defer server.Close()

	arn, err := snssource.Subscribe(ctx, client, topicARN, server.URL+"/sns", nil)
	require.NoError(t, err)
	again, err := snssource.Subscribe(ctx, client, topicARN, server.URL+"/sns", nil)
	require.NoError(t, err)
	assert.Equal(t, arn, again)
	list, err := client.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(topicARN)})
	require.NoError(t, err)
	require.Len(t, list.Subscriptions, 1)
	assert.Equal(t, server.URL+"/sns", *list.Subscriptions[0].Endpoint)

	t.Run("what is published comes, signed by moto", func(t *testing.T) {
		out, err := client.Publish(ctx, &sns.PublishInput{TopicArn: aws.String(topicARN), Message: aws.String(`{"order":7}`)})
		require.NoError(t, err)
		events, err := rec.Wait(ctx, 1)
		require.NoError(t, err)
		assert.Equal(t, *out.MessageId, events[0].ID())
		assert.Equal(t, int64(7), gjson.GetBytes(events[0].Data(), "body.Message.order").Int())
		assert.Equal(t, http.StatusUnauthorized, <-refused, "moto's own certificate is nobody's")
		assert.Empty(t, refusing.Attempts())
	})
	t.Run("a confirmation goes to the API", func(t *testing.T) {
		// moto posts none, so it is signed here.
		fake := newSNS(t, nil)
		own := source(fake)
		own.Client = client
		var log strings.Builder
		logged := &sourcetest.Recorder{Logger: textLogger(&log)}
		run(t, own, logged.Output())
		w := send(own, post(ask().signed(t)))
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		assert.Contains(t, log.String(), "subscription="+topicARN+":")
	})
	t.Run("of a topic that is not there it is asked for again", func(t *testing.T) {
		fake := newSNS(t, nil)
		other := source(fake)
		other.TopicARN, other.Client = topicARN+"2", client
		start(t, other)
		url := fmt.Sprintf("%s/?Action=ConfirmSubscription&TopicArn=%s&Token=secret", snsHost, other.TopicARN)
		w := send(other, post(ask().with("TopicArn", other.TopicARN, "SubscribeURL", url).signed(t)))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code, w.Body)
	})
}
