package snssource

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// Confirmer is what a Source needs of an *sns.Client to confirm subscriptions.
type Confirmer interface {
	ConfirmSubscription(ctx context.Context, in *sns.ConfirmSubscriptionInput, options ...func(*sns.Options)) (*sns.ConfirmSubscriptionOutput, error)
}

// Subscriber is what Subscribe needs of an *sns.Client.
type Subscriber interface {
	Subscribe(ctx context.Context, in *sns.SubscribeInput, options ...func(*sns.Options)) (*sns.SubscribeOutput, error)
}

// Subscribe subscribes an endpoint, the http or https URL at which the internet
// reaches a Source, to a topic, and returns the subscription's ARN. SNS then
// posts a confirmation to the endpoint, and delivers once that was answered,
// which it asks for within a few minutes: so have the Source run.
//
// To subscribe what is subscribed already changes nothing, and may be done at
// each start. attributes are those of the API's Subscribe, such as FilterPolicy,
// RedrivePolicy, DeliveryPolicy and RawMessageDelivery (see Source.AllowRaw);
// nil means none. Nothing ends the subscription but its owner.
func Subscribe(ctx context.Context, client Subscriber, topicARN, endpoint string, attributes map[string]string) (subscriptionARN string, err error) {
	if _, err := parseTopic(topicARN); err != nil {
		return "", fmt.Errorf("snssource: subscribe: the topic's ARN %w", err)
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// The endpoint may hold a password.
		return "", errors.New("snssource: subscribe: the endpoint is no http or https URL")
	}
	out, err := client.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn:              &topicARN,
		Protocol:              &u.Scheme,
		Endpoint:              &endpoint,
		Attributes:            attributes,
		ReturnSubscriptionArn: true,
	})
	if err != nil {
		return "", fmt.Errorf("snssource: subscribe: %w", err)
	}
	return aws.ToString(out.SubscriptionArn), nil
}

// confirm confirms the subscription that e, whose signature is good, asks about.
func (in *intake) confirm(ctx context.Context, e *envelope) error {
	address, err := in.subscribeURL(e)
	if err != nil {
		return err
	}
	// What has begun is finished, even if SNS does not wait for it.
	ctx, cancel := bounded(ctx)
	defer cancel()
	arn, err := in.visit(ctx, address, e.text("Token"))
	if err != nil {
		return later("the subscription could not be confirmed", err)
	}
	in.account.confirmed.Add(1)
	in.account.succeeded()
	in.out.Logger.InfoContext(ctx, "sns: subscription confirmed", "subscription", arn, "topic", in.topic.arn)
	return nil
}

// visit confirms by the API where there is a client, and by the URL elsewhere.
func (in *intake) visit(ctx context.Context, address, token string) (subscriptionARN string, err error) {
	if in.client != nil {
		out, err := in.client.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: &in.topic.arn, Token: &token})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.SubscriptionArn), nil
	}
	answer, err := fetch(ctx, in.certs.transport, address)
	if err != nil {
		return "", withoutURL(err) // which holds the token
	}
	var confirmed struct {
		ARN string `xml:"ConfirmSubscriptionResult>SubscriptionArn"`
	}
	if err := xml.Unmarshal(answer, &confirmed); err != nil {
		return "", fmt.Errorf("the answer is not SNS's: %w", err)
	}
	return confirmed.ARN, nil
}

// withoutURL returns err without the URL that net/http puts into it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// subscribeURL returns e's SubscribeURL if it confirms that subscription, and
// does nothing else.
func (in *intake) subscribeURL(e *envelope) (string, error) {
	address := e.text("SubscribeURL")
	query, ok := strings.CutPrefix(address, "https://"+in.topic.host()+"/?")
	if !ok || strings.Contains(query, "#") {
		return "", unauthorized("the SubscribeURL is not at %s", in.topic.host())
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", unauthorized("the SubscribeURL: %w", err)
	}
	for name, want := range map[string]string{"Action": "ConfirmSubscription", "TopicArn": in.topic.arn, "Token": e.text("Token")} {
		if got := values[name]; len(got) != 1 || got[0] != want {
			return "", unauthorized("the SubscribeURL has another %s", name)
		}
	}
	return address, nil
}
