package natsbus_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigDefaults(t *testing.T) {
	c, err := natsbus.Config{}.WithDefaults()
	require.NoError(t, err)
	assert.NotNil(t, c.Logger)
	c.Logger = nil
	assert.Equal(t, natsbus.Config{
		Name: "hearken", Replicas: 1, MaxBytes: 1 << 30, MaxEvents: -1, DedupeWindow: 2 * time.Minute,
		DeadLetterMaxAge: 14 * 24 * time.Hour, DeadLetterMaxBytes: 256 << 20, StoreMaxBytes: 256 << 20,
		AckWait: 3 * time.Second, PublishTimeout: 5 * time.Second,
	}, c)
}

func TestConfigMistakes(t *testing.T) {
	_, err := natsbus.Config{
		Name: "a.b", AckWait: time.Millisecond, DedupeWindow: 1, Replicas: -1, PublishTimeout: -1,
		Domain: "a.b", DeadLetterMaxAge: 1,
	}.WithDefaults()
	for _, field := range []string{
		`Name "a.b"`, "AckWait 1ms", "DedupeWindow 1ns", "Replicas -1", "PublishTimeout -1ns", `Domain "a.b"`, "DeadLetterMaxAge 1ns",
	} {
		assert.ErrorContains(t, err, "Config."+field)
	}
	_, err = natsbus.Open(t.Context(), nil, natsbus.Config{})
	require.Error(t, err, "no connection")
}

func TestOpenBeforeThereIsAServer(t *testing.T) {
	refused := errors.New("refused")
	dialer := dialFunc(func(string, string) (net.Conn, error) { return nil, refused })
	nc, err := nats.Connect("nats://user:secret@nats.test:4222", nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.SetCustomDialer(dialer))
	require.NoError(t, err)
	defer nc.Close()
	_, err = natsbus.Open(t.Context(), nc, natsbus.Config{})
	require.ErrorContains(t, err, "the connection has not reached a server yet, of nats://nats.test:4222")
	assert.NotContains(t, err.Error(), "max_payload")
}

type dialFunc func(network, address string) (net.Conn, error)

func (f dialFunc) Dial(network, address string) (net.Conn, error) { return f(network, address) }

func TestMerge(t *testing.T) {
	want := natsbus.EventsConfig(natsbus.Config{Name: "n"})
	have := want
	have.MaxMsgs, have.Description, have.Placement = 0, "ours", &jetstream.Placement{Cluster: "c"}
	merged, diff := natsbus.Merge(have, want)
	assert.Empty(t, diff, "no bound is no bound")
	assert.Equal(t, have, merged, "what the bus has no opinion on stays")

	have.MaxBytes, have.MaxAge, have.Subjects = 1, time.Hour, []string{"other"}
	merged, diff = natsbus.Merge(have, want)
	assert.Len(t, diff, 3)
	assert.Equal(t, want.MaxBytes, merged.MaxBytes)
	assert.Zero(t, merged.MaxAge)
	assert.Equal(t, []string{"other", "n.events.>"}, merged.Subjects)
}

func TestMismatchError(t *testing.T) {
	cause := errors.New("no")
	err := &natsbus.MismatchError{Stream: "s", Field: "Storage", Have: jetstream.FileStorage, Want: jetstream.MemoryStorage, Err: cause}
	assert.EqualError(t, err, `natsbus: stream "s" exists with Storage File, this bus needs Memory: no`)
	assert.ErrorIs(t, err, cause)
}

func TestParseAck(t *testing.T) {
	for _, ok := range []string{`{"stream":"s", "seq":1}`, `{"stream":"s","seq":1,"duplicate":true}`, `{"seq":1,"stream":"s"}`} {
		require.NoError(t, natsbus.ParseAck(&nats.Msg{Data: []byte(ok)}))
	}
	var api *jetstream.APIError
	err := natsbus.ParseAck(&nats.Msg{Data: []byte(`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"s","seq":0}`)})
	require.ErrorAs(t, err, &api)
	assert.Equal(t, jetstream.ErrorCode(10077), api.ErrorCode)
	require.ErrorIs(t, natsbus.ParseAck(&nats.Msg{Header: nats.Header{"Status": {"503"}}}), nats.ErrNoResponders)
	require.Error(t, natsbus.ParseAck(&nats.Msg{Data: []byte(`{}`)}))
	require.Error(t, natsbus.ParseAck(&nats.Msg{Data: []byte(`+OK`)}))
}
