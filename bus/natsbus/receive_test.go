package natsbus_test

import (
	"context"
	"testing"

	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/stretchr/testify/assert"
)

// endsLater is a context that has ended when it is asked for the second time.
type endsLater struct {
	context.Context //nolint:containedctx // it is a context
	asked           int
}

func (c *endsLater) Err() error {
	if c.asked++; c.asked == 1 {
		return nil
	}
	return context.Canceled
}

func TestAReceiveThatEndsLeavesToOthersWhatItWasToldOf(t *testing.T) {
	told, err := natsbus.ReceiveOnce(&endsLater{Context: t.Context()})
	assert.ErrorIs(t, err, context.Canceled)
	assert.True(t, told)
}
