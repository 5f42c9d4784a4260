package sqstrigger_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/internal/awstest"
	"github.com/hearken-go/hearken/triggers/sqstrigger"
)

// BenchmarkFire compares a firing with the same SendMessage made by hand.
func BenchmarkFire(b *testing.B) {
	f := firing(b, `{"branch":"main"}`)
	service := new(awstest.SQS)
	client := newClient("http://sqs.test", service.Client())
	trigger := &sqstrigger.Trigger{Client: client, QueueURL: service.CreateQueue("q", nil), Payload: hearken.PayloadFunc(payload)}
	b.Run("send", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := client.SendMessage(b.Context(), &sqs.SendMessageInput{
				QueueUrl: &trigger.QueueURL, MessageBody: aws.String(`{"branch":"main"}`),
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
