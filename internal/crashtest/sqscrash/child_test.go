package sqscrash_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/sources/sqssource"
	"github.com/hearken-go/hearken/triggers/httptrigger"
	"github.com/stretchr/testify/require"
)

// childEnv makes the test binary a pipeline: its value is a child as JSON.
const childEnv = "SQSCRASH_CHILD"

func TestMain(m *testing.M) {
	config := os.Getenv(childEnv)
	if config == "" {
		os.Exit(m.Run())
	}
	if err := runChild(config); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is what a process needs to know.
type child struct {
	Dir, SQS, Queue, Sink string
	Visibility            time.Duration
	MaxEvent              int
}

func runChild(config string) error {
	var c child
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // the test is gone
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return c.run(ctx)
}

func (c child) run(ctx context.Context) error {
	b, err := embedded.OpenWith(ctx, embedded.Config{Dir: c.Dir, MaxEvent: c.MaxEvent}, natsbus.Config{Name: "sqscrash", MaxBytes: 64 << 20, StoreMaxBytes: 1 << 20, DeadLetterMaxBytes: 1 << 20})
	if err != nil {
		return err
	}
	err = c.pipeline(b.Bus).Run(ctx)
	return errors.Join(err, b.Close(context.WithoutCancel(ctx)))
}

// pipeline tells the sink of each message of the queue.
func (c child) pipeline(b *natsbus.Bus) *hearken.Pipeline {
	messages := &hearken.EventSource{Name: "queue", Event: "message", Source: &sqssource.Source{
		Client: sqs.New(sqs.Options{
			Region: "us-east-1", BaseEndpoint: &c.SQS,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
			}),
		}),
		Queue: c.Queue, Pollers: 4, Wait: time.Second,
		Visibility: c.Visibility, // how long those of a killed process are hidden
	}}
	message := &hearken.Dependency{EventSource: messages}
	return &hearken.Pipeline{
		Name: "sqscrash", Bus: b, EventSources: []*hearken.EventSource{messages}, Drain: 10 * time.Second,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Sensors: []hearken.Sensor{{Name: "tell", Workers: 16, Actions: []hearken.Action{{
			When: message,
			Trigger: &httptrigger.Trigger{URL: c.Sink, Payload: hearken.PayloadFunc(func(f hearken.Firing) ([]byte, error) {
				e, err := f.Event(message)
				if err != nil {
					return nil, err
				}
				return []byte(e.ID()), nil
			})},
			Retry: hearken.Retry{Min: 20 * time.Millisecond, Max: 200 * time.Millisecond, For: time.Hour},
		}}}},
	}
}

// process is a child that runs.
type process struct {
	*exec.Cmd
	io.WriteCloser // its standard input
}

// start starts a child, which ends with this process.
func (c child) start(t *testing.T, stderr io.Writer) process {
	t.Helper()
	config, err := json.Marshal(c)
	require.NoError(t, err)
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), childEnv+"="+string(config), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return process{cmd, stdin}
}

// kill sends SIGKILL and waits for the end.
func (p process) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Kill())
	require.Error(t, p.Wait(), "it had ended before")
}

// terminate sends SIGTERM and waits for a clean end.
func (p process) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.Wait())
}
