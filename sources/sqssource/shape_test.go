package sqssource_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/hearken-go/hearken/sources/sqssource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

func TestEvent(t *testing.T) {
	bubble(t, "q.fifo", func(t *testing.T, w *world) {
		url := w.CreateQueue("q.fifo", nil)
		sent, err := newClient("http://sqs.test", w.Client()).SendMessage(t.Context(), &sqs.SendMessageInput{
			QueueUrl: &url, MessageBody: aws.String(` {"amount": 12.50, "note": "<é>"} `),
			MessageGroupId: aws.String("customer 7"), MessageDeduplicationId: aws.String("d"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"kind":  {DataType: aws.String("String"), StringValue: aws.String("order")},
				"count": {DataType: aws.String("Number"), StringValue: aws.String("3")},
				"raw":   {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2, 255}},
			},
		})
		require.NoError(t, err)
		w.source.Metadata = map[string]string{"team": "billing"}
		w.start()
		e := w.events(1)[0]
		assert.Equal(t, *sent.MessageId, e.ID())
		assert.Equal(t, "sqs", e.Type())
		assert.Equal(t, "application/json", e.DataContentType())
		assert.Equal(t, time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), e.Time())
		assert.Equal(t, map[string]any{"partitionkey": "customer 7"}, e.Extensions())
		assert.JSONEq(t, `{
			"messageId": "`+*sent.MessageId+`",
			"messageAttributes": {
				"kind": {"DataType": "String", "StringValue": "order"},
				"count": {"DataType": "Number", "StringValue": "3"},
				"raw": {"DataType": "Binary", "BinaryValue": "AQL/"}
			},
			"attributes": {"SentTimestamp": "946684800000", "ApproximateReceiveCount": "1", "MessageGroupId": "customer 7"},
			"body": {"amount": 12.50, "note": "<é>"},
			"metadata": {"team": "billing"}
		}`, string(e.Data()))
	})
}

func TestEventOfABareMessage(t *testing.T) {
	bubble(t, "q", func(t *testing.T, w *world) {
		id := w.Send("q", "hello", "")
		w.start()
		e := w.events(1)[0]
		assert.Empty(t, e.Extensions())
		assert.Equal(t, `{"messageId":"`+id+`","messageAttributes":{},"attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"946684800000"},"body":"hello"}`, string(e.Data()))
	})
}

// What SNS and EventBridge put into a queue, as AWS documents them.
const (
	snsNotification = `{
  "Type" : "Notification",
  "MessageId" : "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
  "TopicArn" : "arn:aws:sns:us-west-2:123456789012:MyTopic",
  "Subject" : "My First Message",
  "Message" : "{\"hello\":\"world\"}",
  "Timestamp" : "2012-05-02T00:54:06.655Z",
  "SignatureVersion" : "1",
  "Signature" : "EXAMPLEw6JRN...",
  "SigningCertURL" : "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
  "UnsubscribeURL" : "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0-26c4-47ec-8998-413945fb5a96",
  "MessageAttributes" : {"color" : {"Type":"String","Value":"red"}}
}`
	snsData          = `{"messageId":"22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324","topicArn":"arn:aws:sns:us-west-2:123456789012:MyTopic","subject":"My First Message","timestamp":"2012-05-02T00:54:06.655Z","messageAttributes":{"color":{"Type":"String","Value":"red"}}}`
	eventBridgeEvent = `{
  "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "EC2 Instance State-change Notification",
  "source": "aws.ec2", "account": "111122223333", "time": "2017-12-22T18:43:48Z", "region": "us-west-1",
  "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"],
  "detail": {"instance-id": " i-1234567890abcdef0", "state": "terminated"}
}`
	s3Test = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z","Bucket":"bucketname","RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"}`
)

func inSNS(t *testing.T, message string) string {
	t.Helper()
	raw, err := json.Marshal(map[string]string{"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic", "Message": message, "Timestamp": "2012-05-02T00:54:06.655Z"})
	require.NoError(t, err)
	return string(raw)
}

func TestBodies(t *testing.T) {
	sns := func() *sqssource.Source { return &sqssource.Source{UnwrapSNS: true} }
	bridge := func() *sqssource.Source { return &sqssource.Source{UnwrapEventBridge: true} }
	both := func() *sqssource.Source {
		return &sqssource.Source{UnwrapSNS: true, UnwrapEventBridge: true, DropS3Tests: true}
	}
	as := func(b sqssource.Body) func() *sqssource.Source {
		return func() *sqssource.Source { return &sqssource.Source{Body: b} }
	}
	plain := as(sqssource.Auto)
	for _, c := range []struct {
		name   string
		source func() *sqssource.Source
		body   string
		want   string // of data, by the names of the fields; empty: dropped
	}{
		{"object", plain, "\r\n\t {\"a\":1}", `{"body":{"a":1}}`},
		{"array", plain, `[1,2]`, `{"body":[1,2]}`},
		{"text", plain, "a \"b\"\n<c>", `{"body":"a \"b\"\n<c>"}`},
		{"number", plain, `12`, `{"body":"12"}`},
		{"string", plain, `"quoted"`, `{"body":"\"quoted\""}`},
		{"blank", plain, " ", `{"body":" "}`},
		{"broken", plain, `{"a":`, `{"body":"{\"a\":"}`},
		{"two", plain, `{} {}`, `{"body":"{} {}"}`},
		{"large number", plain, `{"n":12345678901234567890}`, `{"body":{"n":12345678901234567890}}`},
		{"as JSON", as(sqssource.JSON), `12`, `{"body":12}`},
		{"as text", as(sqssource.Text), `{"a":1}`, `{"body":"{\"a\":1}"}`},
		{"as base64", as(sqssource.Base64), `{"a":1}`, `{"body":"eyJhIjoxfQ=="}`},

		{"SNS", sns, snsNotification, `{"body":{"hello":"world"},"sns":` + snsData + `}`},
		{"SNS with text", sns, inSNS(t, "hi"), `{"body":"hi","sns":{"messageId":"m","topicArn":"arn:aws:sns:us-west-2:123456789012:MyTopic","timestamp":"2012-05-02T00:54:06.655Z"}}`},
		{"no SNS", sns, `{"Type":"Notification"}`, `{"body":{"Type":"Notification"}}`},
		{"no SNS at all", sns, `hello`, `{"body":"hello"}`},
		{"names like those of SNS", sns, `{"type":"Notification","topicArn":"t","message":"hi"}`, `{"body":{"type":"Notification","topicArn":"t","message":"hi"}}`},
		{"SNS with two messages", sns, `{"Type":"Notification","TopicArn":"t","Message":"hi","message":"ho"}`, `{"body":"hi","sns":{"messageId":"","topicArn":"t","timestamp":""}}`},
		{"SNS with a field of another type", sns, `{"Type":"Notification","TopicArn":"t","Message":{}}`, `{"body":{"Type":"Notification","TopicArn":"t","Message":{}}}`},
		{"SNS that is not to be unwrapped", bridge, inSNS(t, "hi"), `{"body":` + inSNS(t, "hi") + `}`},
		{
			"EventBridge", bridge, eventBridgeEvent,
			`{"body":{"instance-id":" i-1234567890abcdef0","state":"terminated"},"eventBridge":{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"EC2 Instance State-change Notification","source":"aws.ec2","account":"111122223333","time":"2017-12-22T18:43:48Z","region":"us-west-1","resources":["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"]}}`,
		},
		{"no EventBridge", bridge, `{"detail":{}}`, `{"body":{"detail":{}}}`},
		{"no EventBridge at all", bridge, `[1]`, `{"body":[1]}`},

		{"S3 test that is not asked to be dropped", plain, s3Test, `{"body":` + s3Test + `}`},
		{"S3 test", both, s3Test, ""},
		{"S3 test in SNS", both, inSNS(t, s3Test), ""},
		{"names like those of an S3 test", both, `{"service":"Amazon S3","event":"s3:TestEvent"}`, `{"body":{"service":"Amazon S3","event":"s3:TestEvent"}}`},
		{"no S3 test", both, `{"Service":"Amazon S3","Event":"s3:Other"}`, `{"body":{"Service":"Amazon S3","Event":"s3:Other"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, "q", func(t *testing.T, w *world) {
				source := c.source()
				source.Client, source.Queue = w.source.Client, w.source.Queue
				w.source = source
				w.Send("q", c.body, "")
				w.start()
				if c.want == "" {
					time.Sleep(time.Second)
					assert.Empty(t, w.rec.Attempts())
					assert.Empty(t, w.Messages("q"))
					assert.Equal(t, 1, w.counter("dropped"))
					return
				}
				got := map[string]json.RawMessage{}
				gjson.ParseBytes(w.events(1)[0].Data()).ForEach(func(name, value gjson.Result) bool {
					if n := name.String(); n == "body" || n == "sns" || n == "eventBridge" {
						got[n] = json.RawMessage(value.Raw)
					}
					return true
				})
				raw, err := json.Marshal(got)
				require.NoError(t, err)
				assert.JSONEq(t, c.want, string(raw))
				if c.name == "large number" {
					assert.Contains(t, string(raw), "12345678901234567890", "kept digit by digit")
				}
			})
		})
	}
}
