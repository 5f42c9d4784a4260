package snstrigger_test

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/hearken-go/hearken/internal/awstest"
)

// BenchmarkFire compares a firing with the same Publish made by hand.
func BenchmarkFire(b *testing.B) {
	f := firing(b, `{"branch":"main"}`)
	_, trigger := start()
	client := newClient("http://sns.test", &http.Client{Transport: awstest.InProcess(new(topic))})
	trigger.Client = client
	b.Run("publish", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := client.Publish(b.Context(), &sns.PublishInput{
				TopicArn: aws.String(topicARN), Message: aws.String(`{"branch":"main"}`),
				MessageAttributes: map[string]types.MessageAttributeValue{"firing": str(f.ID)},
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("trigger", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := trigger.Fire(b.Context(), f); err != nil {
				b.Fatal(err)
			}
		}
	})
}
