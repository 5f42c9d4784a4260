package lambdatrigger_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/assert"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/lambdatrigger"
)

// Firings that are given up elsewhere are never heard of again: what is counted
// stays bounded, and the count of a firing outlives thousands of others.
func TestFailuresOfManyFirings(t *testing.T) {
	kind := "Unhandled"
	trigger := &lambdatrigger.Trigger{FunctionName: "hello", Payload: text("1"), Client: fake(func(*lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{StatusCode: 200, FunctionError: &kind}, nil
	})}
	fire := func(id string) bool { return hearken.IsPermanent(trigger.Fire(t.Context(), hearken.Firing{ID: id})) }
	others := 0
	crowd := func() {
		for range 4000 {
			others++
			assert.False(t, fire(fmt.Sprint(others)))
		}
	}
	assert.False(t, fire("a"))
	crowd()
	assert.False(t, fire("a"))
	crowd()
	assert.True(t, fire("a"))
	assert.LessOrEqual(t, trigger.Counted(), 2*4096)
	crowd()
	crowd()
	assert.LessOrEqual(t, trigger.Counted(), 2*4096)
}
