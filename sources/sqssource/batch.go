package sqssource

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Each entry of a batch is named for its index.
const entryIDs = "0123456789"

func entryID(i int) *string {
	id := entryIDs[i : i+1]
	return &id
}

// indexOf returns the index of an entry by its name, or -1.
func indexOf(id *string) int {
	if id == nil || len(*id) != 1 {
		return -1
	}
	return strings.Index(entryIDs, *id)
}

// failures are the entries of a batch that failed, by their index.
type failures map[int]types.BatchResultErrorEntry

// failuresOf reads the answer to a batch of n entries. What it says of others is
// passed over; an entry of which it says nothing may not have been done.
func failuresOf[T any](n int, done []T, id func(T) *string, failed []types.BatchResultErrorEntry) failures {
	all := failures{}
	var answered [batchSize]bool
	for _, d := range done {
		if i := indexOf(id(d)); i >= 0 {
			answered[i] = true
		}
	}
	for _, f := range failed {
		if i := indexOf(f.Id); i >= 0 && i < n {
			answered[i], all[i] = true, f
		}
	}
	for i, ok := range answered[:n] {
		if !ok {
			all[i] = types.BatchResultErrorEntry{Id: entryID(i), Code: aws.String("NotAnswered"), Message: aws.String("the answer says nothing of it")}
		}
	}
	return all
}

// err returns the error of the first entry that failed otherwise than by a
// message that is no longer held.
func (f failures) err() error {
	for i := range batchSize {
		if entry, bad := f[i]; bad && !isFinal(entry) {
			return entryError(entry)
		}
	}
	return nil
}

// isFinal reports whether another attempt cannot help: the message is no longer
// held. That there is too much to do is said to be the sender's fault too.
func isFinal(f types.BatchResultErrorEntry) bool {
	return f.SenderFault && !strings.Contains(aws.ToString(f.Code), "Throttl")
}

func entryError(f types.BatchResultErrorEntry) error {
	return fmt.Errorf("entry %s: %s: %s", aws.ToString(f.Id), aws.ToString(f.Code), aws.ToString(f.Message))
}
