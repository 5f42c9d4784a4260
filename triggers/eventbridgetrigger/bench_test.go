package eventbridgetrigger_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// BenchmarkFire compares a firing with the same PutEvents made by hand.
func BenchmarkFire(b *testing.B) {
	f := firing(b, `{"branch":"main"}`)
	_, trigger := start()
	client := trigger.Client
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := client.PutEvents(b.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
				Source: aws.String("com.example.ci"), DetailType: aws.String("push"),
				Detail: aws.String(`{"branch":"main","firing":"` + f.ID + `"}`),
			}}})
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
