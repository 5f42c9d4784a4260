package hearken_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSecretDoesNotShowItself(t *testing.T) {
	type config struct{ Password hearken.Secret }
	c := config{"hunter2"}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb, c, c.Password)
	}
	b, err := json.Marshal(c)
	require.NoError(t, err)
	out.Write(b)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", c.Password, "config", c)
	out.WriteString(c.Password.String())
	assert.NotContains(t, out.String(), "hunter2")
	assert.NotContains(t, out.String(), "68756e74657232", "nor in hexadecimal")
	assert.Equal(t, "hunter2", string(c.Password))
}

func ExampleSecret() {
	password := hearken.Secret("hunter2")
	fmt.Println(password, len(string(password)))
	// Output: *** 7
}
