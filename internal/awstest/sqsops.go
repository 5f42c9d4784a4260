package awstest

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// What operations take and return: fields are named as the protocol names them.
type (
	queueInput struct {
		QueueUrl               string
		QueueName              string
		QueueOwnerAWSAccountId string
		AttributeNames         []string
		Attributes             map[string]string
	}
	queueOutput struct {
		QueueUrl string
	}
	attributesOutput   struct{ Attributes map[string]string }
	batchOutput[T any] struct {
		Successful []T
		Failed     []failed
	}
	failed struct {
		Id, Code, Message string
		SenderFault       bool
	}
	done  struct{ Id string }
	empty struct{}
)

// CreateQueue creates a queue, or does nothing when there is one of that name,
// and returns its URL. A name that ends in ".fifo" makes a FIFO queue.
func (s *SQS) CreateQueue(name string, attributes map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.create(name, attributes)
}

// CreateQueueWithDLQ creates a queue name and another, name-dead, to which goes
// what was received most times; it returns the first one's URL.
func (s *SQS) CreateQueueWithDLQ(name string, most int) string {
	dead := strings.TrimSuffix(name, ".fifo") + "-dead"
	if strings.HasSuffix(name, ".fifo") {
		dead += ".fifo"
	}
	s.CreateQueue(dead, nil)
	return s.CreateQueue(name, map[string]string{"RedrivePolicy": fmt.Sprintf(
		`{"deadLetterTargetArn":"arn:aws:sqs:%s:%s:%s","maxReceiveCount":%d}`, Region, Account, dead, most)})
}

// create does what CreateQueue does. s.mu is held.
func (s *SQS) create(name string, attributes map[string]string) string {
	if s.queues == nil {
		s.queues = map[string]*queue{}
	}
	key := Account + "/" + name
	if s.queues[key] == nil {
		s.queues[key] = newQueue(Account, name, attributes)
	}
	return s.url(s.queues[key])
}

func (s *SQS) url(q *queue) string {
	return cmp.Or(s.URL, "http://sqs.test") + "/" + q.account + "/" + q.name
}

// Send puts a message with a body into a queue, which must exist, and returns the
// message's id. group is for FIFO queues, whose deduplication id is the body's
// hash.
func (s *SQS) Send(queue, body, group string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[Account+"/"+queue]
	out, err := s.put(q, sendInput{MessageBody: body, MessageGroupId: group, MessageDeduplicationId: hash(body)})
	if err != nil {
		return err.Error()
	}
	return out.MessageId
}

func (s *SQS) createQueue(_ context.Context, in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fifo := in.Attributes["FifoQueue"] == "true"; fifo != strings.HasSuffix(in.QueueName, ".fifo") {
		return nil, failure("InvalidParameterValue", "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	}
	if q := s.queues[Account+"/"+in.QueueName]; q != nil {
		for name, value := range in.Attributes {
			if q.attributes[name] != value {
				return nil, failure("QueueNameExists", "A queue already exists with the same name and a different value for attribute "+name)
			}
		}
	}
	return queueOutput{s.create(in.QueueName, in.Attributes)}, nil
}

func (s *SQS) deleteQueue(_ context.Context, in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	s.drop(q)
	return empty{}, nil
}

func (s *SQS) getQueueURL(_ context.Context, in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(cmp.Or(in.QueueOwnerAWSAccountId, Account) + "/" + in.QueueName)
	if err != nil {
		return nil, err
	}
	return queueOutput{s.url(q)}, nil
}

func (s *SQS) getQueueAttributes(_ context.Context, in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(q.attributes)
	if q.fifo() {
		all["FifoQueue"] = "true"
	}
	visible, hidden := 0, 0
	for _, m := range q.all() {
		if m.Visible {
			visible++
		} else {
			hidden++
		}
	}
	all["ApproximateNumberOfMessages"] = strconv.Itoa(visible)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(hidden)
	return attributesOutput{picked(all, in.AttributeNames)}, nil
}

func (s *SQS) setQueueAttributes(_ context.Context, in queueInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	maps.Copy(q.attributes, in.Attributes)
	return empty{}, nil
}

// picked returns what names ask for of all.
func picked[V any](all map[string]V, names []string) map[string]V {
	some := map[string]V{}
	for name, value := range all {
		for _, asked := range names {
			prefix, wild := strings.CutSuffix(asked, ".*")
			if asked == "All" || asked == name || wild && strings.HasPrefix(name, prefix) {
				some[name] = value
			}
		}
	}
	return some
}

type sendInput struct {
	Id, QueueUrl, MessageBody              string
	DelaySeconds                           *int
	MessageAttributes                      map[string]json.RawMessage
	MessageSystemAttributes                map[string]struct{ StringValue string }
	MessageGroupId, MessageDeduplicationId string
}

type sendOutput struct {
	Id               string `json:",omitempty"`
	MessageId        string
	MD5OfMessageBody string
	SequenceNumber   string `json:",omitempty"`
}

func (s *SQS) sendMessage(_ context.Context, in sendInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return s.put(q, in)
}

// put adds a message to q. s.mu is held.
func (s *SQS) put(q *queue, in sendInput) (sendOutput, error) {
	limit, err := strconv.Atoi(q.attributes["MaximumMessageSize"])
	switch {
	case err != nil:
		return sendOutput{}, err
	case in.MessageBody == "":
		return sendOutput{}, failure("MissingParameter", "The request must contain the parameter MessageBody.")
	case len(in.MessageBody) > limit:
		return sendOutput{}, failure("InvalidParameterValue", fmt.Sprintf("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit))
	case q.fifo() && in.MessageGroupId == "":
		return sendOutput{}, failure("MissingParameter", "The request must contain the parameter MessageGroupId.")
	case q.fifo() && in.DelaySeconds != nil:
		return sendOutput{}, failure("InvalidParameterValue", "Value for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.")
	}
	dedupe := in.MessageDeduplicationId
	if dedupe == "" && q.fifo() {
		if q.attributes["ContentBasedDeduplication"] != "true" {
			return sendOutput{}, failure("InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
		}
		dedupe = hash(in.MessageBody)
	}
	delay := q.seconds("DelaySeconds")
	if in.DelaySeconds != nil {
		delay = time.Duration(*in.DelaySeconds) * time.Second
	}
	s.sent++
	m := &message{
		id: fmt.Sprintf("%08x-0000-4000-8000-%012x", s.sent, s.sent), body: in.MessageBody, group: in.MessageGroupId, attributes: in.MessageAttributes,
		system: map[string]string{"SentTimestamp": millis(time.Now()), "SenderId": "AIDAIENQZJOLO23YVJ4VO"},
	}
	for name, value := range in.MessageSystemAttributes {
		m.system[name] = value.StringValue
	}
	if in.MessageGroupId != "" {
		m.system["MessageGroupId"] = in.MessageGroupId
	}
	if q.fifo() {
		m.system["MessageDeduplicationId"] = dedupe
	}
	id, sequence := q.put(m, dedupe, delay)
	return sendOutput{MessageId: id, MD5OfMessageBody: md5Of(in.MessageBody), SequenceNumber: sequence}, nil
}

func (s *SQS) sendMessageBatch(_ context.Context, in struct {
	QueueUrl string
	Entries  []sendInput
},
) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queueAt(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return batch(in.Entries, func(e sendInput) string { return e.Id }, func(e sendInput) (sendOutput, error) {
		if err := s.fails("SendMessageBatch", e.Id); err != nil {
			return sendOutput{}, err
		}
		out, err := s.put(q, e)
		out.Id = e.Id
		return out, err
	})
}

// fails returns the failure that was asked for of an entry. s.mu is held.
func (s *SQS) fails(operation, message string) error {
	if s.failEntry == nil {
		return nil
	}
	if err := s.failEntry(operation, message); err != nil {
		return err
	}
	return nil
}

// batch does each entry.
func batch[In, Out any](entries []In, id func(In) string, do func(In) (Out, error)) (any, error) {
	switch {
	case len(entries) == 0:
		return nil, failure("EmptyBatchRequest", "There should be at least one entry in the request.")
	case len(entries) > maxBatch:
		return nil, failure("TooManyEntriesInBatchRequest", fmt.Sprintf("Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(entries)))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		switch {
		case id(e) == "" || len(id(e)) > 80:
			return nil, failure("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		case seen[id(e)]:
			return nil, failure("BatchEntryIdsNotDistinct", "Id "+id(e)+" repeated.")
		}
		seen[id(e)] = true
	}
	var out batchOutput[Out]
	for _, e := range entries {
		result, err := do(e)
		if err != nil {
			f := asError(err)
			out.Failed = append(out.Failed, failed{Id: id(e), Code: f.Code, Message: f.Message, SenderFault: f.Status < 500})
			continue
		}
		out.Successful = append(out.Successful, result)
	}
	return out, nil
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func md5Of(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// DeleteQueue deletes a queue, by its name, and what is in it.
func (s *SQS) DeleteQueue(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[Account+"/"+name]; q != nil {
		s.drop(q)
	}
}

// drop removes a queue. s.mu is held.
func (s *SQS) drop(q *queue) {
	delete(s.queues, q.account+"/"+q.name)
	q.wake()
}
