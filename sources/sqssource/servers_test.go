//go:build aws

package sqssource_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/hearken-go/hearken/internal/awstest/servers"
	"github.com/stretchr/testify/assert"
)

// started are the servers of others that the tests run against.
var started []*servers.Server

func TestMain(m *testing.M) { os.Exit(withServers(m)) }

func withServers(m *testing.M) int {
	for _, k := range servers.Kinds() {
		s, err := servers.Start(context.Background(), k)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() {
			if err := s.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
		fmt.Printf("running against %s %s\n", k.Name, k.Version)
		started = append(started, s)
	}
	return m.Run()
}

// onServers runs f against each of the servers.
func onServers(t *testing.T, f func(t *testing.T, server string, c *sqs.Client)) {
	t.Helper()
	for _, s := range started {
		t.Run(s.Kind.Name, func(t *testing.T) {
			f(t, s.Kind.Name, newClient(s.Endpoint, http.DefaultClient))
		})
	}
}

// differences are where the servers are known to differ from what SQS documents;
// internal/awstest/README.md tells of them.
var differences = map[string][]string{
	"ElasticMQ": {
		"a message of 1 MiB is taken", "a message of more is refused", "an empty batch is refused",
		"deleting again succeeds", "errors have the codes of older protocols too",
		"visibility beyond 12 hours is refused", "visibility beyond 12 hours from the receive is refused", "visibility of what is not held is refused",
		"a receive that is made again gives the same", "deleting what is held no longer is refused",
	},
	"moto": {
		"a batch of eleven is refused", "an old receipt handle deletes nothing", "visibility of what is not held is refused",
		"a duplicate has the id of the first", "a receive that is made again gives the same", "deleting what is held no longer is refused",
	},
}

func TestServers(t *testing.T) {
	onServers(t, func(t *testing.T, server string, c *sqs.Client) {
		known := map[string]bool{}
		for _, name := range differences[server] {
			known[name] = true
		}
		for i, b := range behaviours() {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				trial := &trial{TB: t}
				trial.run(func() { b.check(newQueueUnderTest(trial, c, fmt.Sprintf("behaviour-%d", i), b.queue)) })
				assert.Equal(t, known[b.name], trial.failed != "", "%s", trial.failed)
			})
		}
	})
}

// trial is a test that may fail.
type trial struct {
	testing.TB
	failed string
}

func (t *trial) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (t *trial) Errorf(format string, args ...any) { t.failed += fmt.Sprintf(format, args...) }

func (t *trial) FailNow() { runtime.Goexit() }
