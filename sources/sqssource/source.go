package sqssource

import (
	"context"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/hearken-go/hearken"
)

// Client is what a Source needs of an *sqs.Client: its region, credentials,
// endpoint and retries are the application's. All methods are called
// concurrently.
type Client interface {
	GetQueueUrl(ctx context.Context, in *sqs.GetQueueUrlInput, opts ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	GetQueueAttributes(ctx context.Context, in *sqs.GetQueueAttributesInput, opts ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, opts ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput, opts ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(ctx context.Context, in *sqs.ChangeMessageVisibilityBatchInput, opts ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

// Body says what becomes of the body of a message.
type Body int

// How a body is read.
const (
	Auto   Body = iota // a JSON object or array as JSON, anything else as text
	JSON               // as JSON; a message that is not JSON is never taken
	Text               // as text
	Base64             // as text in base64, as Argo Events does without jsonBody
)

// The bounds of the fields.
const (
	maxPollers    = 100
	maxHeld       = 10_000
	maxWait       = 20 * time.Second
	minVisibility = 2 * time.Second
	maxVisibility = time.Hour
)

// Source makes an event of each message of an Amazon SQS queue. Fill in the
// fields before it is used and do not change them afterwards. One Source belongs
// to one event source of one pipeline; any number of processes may read one
// queue.
type Source struct {
	// Client is an *sqs.Client, and required.
	Client Client

	// Queue is the queue's name or its URL, and required. One whose name ends in
	// ".fifo" is a FIFO queue.
	Queue string

	// Account is the account that owns the queue of that name. Empty: the
	// client's own.
	Account string

	// Pollers is how many polls wait for messages at once. Zero: 2.
	Pollers int

	// Held is how many messages are held at once: received, and not deleted yet.
	// With this many, polling stops. Zero: 100, or 10 for each of Pollers where
	// that is more.
	Held int

	// Wait is how long a poll waits for a message, in whole seconds up to 20. A
	// poll under way when the pipeline ends is let come back, so Wait should be
	// shorter than Pipeline.Drain. A FIFO queue's poll waits for no more than a
	// third of Visibility: one that asked for ten before a message was refused
	// would receive it with the later ones of its group, and raise their
	// receive counts too. Zero: 10 seconds.
	Wait time.Duration

	// Visibility is how long a message stays hidden from others after this
	// process was killed, in whole seconds. While it is held that is extended
	// at half; the queue's own setting does not matter. Zero: 30 seconds.
	Visibility time.Duration

	// Body says how bodies are read. Zero: Auto.
	Body Body

	// UnwrapSNS takes the message of an SNS envelope as the body, and the rest
	// of the envelope as the data's "sns". A body that is none is left alone.
	UnwrapSNS bool

	// UnwrapEventBridge takes the detail of an EventBridge event as the body,
	// and the rest of it as the data's "eventBridge". A body that is none is
	// left alone.
	UnwrapEventBridge bool

	// DropS3Tests deletes the s3:TestEvent that S3 sends when a bucket's
	// notifications are set up, in an SNS envelope too where UnwrapSNS is set.
	DropS3Tests bool

	// Metadata is added to the data of each event. Empty: the data has none.
	Metadata map[string]string

	running atomic.Bool
	account account
}

// Validate finds mistakes in the fields.
func (s *Source) Validate() error {
	var m hearken.Mistakes
	if v := reflect.ValueOf(s.Client); s.Client == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		m.Add("Client", "is nil; an *sqs.Client will do")
	} else if c, ok := s.Client.(*sqs.Client); ok && c.Options().Region == "" {
		m.Add("Client", "has no region; set AWS_REGION, or Region of its configuration")
	}
	switch {
	case s.Queue == "":
		m.Add("Queue", "is empty; it is the queue's name or URL")
	case strings.HasPrefix(s.Queue, "arn:"):
		m.Add("Queue", "is the ARN %q; write its last part, and in Account the part before", s.Queue)
	case !s.isURL() && strings.ContainsFunc(s.Queue, func(c rune) bool { return c == '/' || c == ':' || c <= ' ' }):
		m.Add("Queue", "is %q, neither a name nor a URL that begins with http:// or https://", s.Queue)
	case s.isURL() && !isQueueURL(s.Queue):
		m.Add("Queue", "is %q, no URL of a queue, which is https://sqs.region.amazonaws.com/account/name", s.Queue)
	}
	if s.isURL() && s.Account != "" {
		m.Add("Account", "is set, and Queue is a URL, which says it too; leave one of them out")
	}
	within := func(path string, n, most int) {
		if n < 0 || n > most {
			m.Add(path, "is %d; from 1 to %d will do, or zero for the default", n, most)
		}
	}
	within("Pollers", s.Pollers, maxPollers)
	within("Held", s.Held, maxHeld)
	seconds := func(path string, d, least, most time.Duration) {
		if d != 0 && (d < least || d > most || d%time.Second != 0) {
			m.Add(path, "is %v; whole seconds from %v to %v will do, or zero for the default", d, least, most)
		}
	}
	seconds("Wait", s.Wait, time.Second, maxWait)
	seconds("Visibility", s.Visibility, minVisibility, maxVisibility)
	if s.Body < Auto || s.Body > Base64 {
		m.Add("Body", "is %d; Auto, JSON, Text or Base64 will do", s.Body)
	}
	return m.Err()
}

func (s *Source) isURL() bool {
	return strings.HasPrefix(s.Queue, "https://") || strings.HasPrefix(s.Queue, "http://")
}

func isQueueURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && len(u.Path) > 1
}

func (s *Source) fifo() bool { return strings.HasSuffix(s.Queue, ".fifo") }

// Run emits the queue's messages until ctx ends. Then it lets polls under way
// come back, deletes what is stored, and hands back at once what is not.
//
// Whatever SQS answers, a missing queue and missing credentials too, is waited
// for, logged, and shown in Report: an error is only a mistake that Validate
// finds, or that the Source already runs elsewhere. Both are Permanent.
func (s *Source) Run(ctx context.Context, out hearken.Output) error {
	if err := s.Validate(); err != nil {
		return hearken.Permanent(err)
	}
	if !s.running.CompareAndSwap(false, true) {
		return hearken.Permanent(fmt.Errorf("sqssource: the Source of %s runs already, for another event source: give each its own", out.Topic))
	}
	defer s.running.Store(false)
	r := newRun(s, out)
	if r.findQueue(ctx) {
		r.work(ctx)
	}
	return nil
}

// Report implements hearken.Reporter. The trouble is the last error of a kind of
// call to SQS that has failed since it last succeeded, and is needed still. The
// counters are received, deleted, handed_back, refused (messages that Emit will
// never take, left to the queue's redrive policy), dropped (S3's tests) and lost
// (messages that became visible to others before they were stored).
func (s *Source) Report() hearken.Report { return s.account.report() }
