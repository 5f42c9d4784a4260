package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The others would be refused, by a bus that is not as theirs.
func TestOthersCannotShareWhatIsInMemory(t *testing.T) {
	_, _, err := openBus(t.Context(), flags{listen: "127.0.0.1:0"})
	assert.EqualError(t, err, "-listen needs -data: the bus that replicas open is one on disk")
}
