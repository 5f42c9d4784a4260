package resource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"k8s.io/klog/v2"
)

func TestMain(m *testing.M) {
	klog.LogToStderr(false) // where the elector of client-go tells of itself
	klog.SetOutput(io.Discard)
	code := m.Run()
	for began := time.Now(); code == 0; {
		err := goleak.Find(goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"))
		if err == nil {
			break
		}
		if time.Since(began) > time.Minute { // connections to an API server that was killed end when they get their turn
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// log collects what is logged, as text without times.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// rig is a source on a cluster, with a Store, and what it emits.
type rig struct {
	t       *testing.T
	cluster *cluster
	source  *resource.Source
	rec     *sourcetest.Recorder
	log     *log
	cancel  context.CancelFunc
	ended   chan error
	told    int
}

// bubble runs do in a bubble with a rig whose source watches ConfigMaps, as set
// says.
func bubble(t *testing.T, set func(*resource.Source), do func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{uid: "cluster-1"}
		do(t, newRig(t, c, &memory.Store{}, set))
	})
}

func newRig(t *testing.T, c *cluster, store bus.Store, set func(*resource.Source)) *rig {
	t.Helper()
	s := &resource.Source{Client: c, Resource: configMaps}
	if set != nil {
		set(s)
	}
	l := &log{}
	return &rig{t: t, cluster: c, source: s, log: l, rec: &sourcetest.Recorder{Store: store, Logger: l.logger()}}
}

// start runs the source and waits until it does nothing any more.
func (r *rig) start() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel, r.ended = cancel, make(chan error, 1)
	go func() { r.ended <- r.source.Run(ctx, r.rec.Output()) }()
	synctest.Wait()
}

// expireLists has the requests for a list fail that which picks, of those from now
// on, as if their pages were too old; the first is 1.
func (r *rig) expireLists(which func(n int) bool) {
	lists := 0
	r.cluster.refuse(func(verb, _, _ string) error {
		if verb != "list" {
			return nil
		}
		if lists++; which(lists) {
			return expired()
		}
		return nil
	})
}

// stop ends the source, which flushes what it knows.
func (r *rig) stop() {
	r.t.Helper()
	r.cancel()
	require.NoError(r.t, <-r.ended)
}

// successor is the process after this one: another source of the same fields as
// set says, on the same cluster and Store.
func (r *rig) successor(set func(*resource.Source)) *rig {
	r.t.Helper()
	return newRig(r.t, r.cluster, r.rec.Store, set)
}

// news returns what was emitted since it was last called, sorted by nothing: of
// each event "TYPE namespace/name version", and what else is remarkable.
func (r *rig) news() []string {
	r.t.Helper()
	synctest.Wait()
	events := r.rec.Events()
	var news []string
	for _, e := range events[r.told:] {
		news = append(news, r.line(e))
	}
	r.told = len(events)
	return news
}

func (r *rig) line(e hearken.Event) string {
	d := data(r.t, e)
	line := d.Type + " " + d.Body.Metadata.Namespace + "/" + d.Body.Metadata.Name
	if n := d.Body.Data["n"]; n != "" {
		line += " " + n
	}
	if d.Partial {
		line += " partial"
	}
	if d.Truncated {
		line += " truncated"
	}
	return line
}

// eventData is the data of an event.
type eventData struct {
	Type string
	Body struct {
		APIVersion string
		Kind       string
		Metadata   struct {
			Namespace, Name, UID, ResourceVersion string
			Annotations                           map[string]string
			ManagedFields                         []any
		}
		Data, StringData map[string]string
	}
	OldBody                  json.RawMessage
	Group, Version, Resource string
	Metadata                 map[string]string
	Partial, Truncated       bool
}

func data(t *testing.T, e hearken.Event) eventData {
	t.Helper()
	d, err := parse(e)
	require.NoError(t, err, string(e.Data()))
	assert.Equal(t, "resource", e.Type())
	return d
}

func parse(e hearken.Event) (d eventData, err error) {
	err = json.Unmarshal(e.Data(), &d)
	return d, err
}

// await lets time pass until there is news, a minute at most.
func (r *rig) await() []string {
	r.t.Helper()
	for range 600 {
		if news := r.news(); len(news) > 0 {
			return news
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

func ids(events []hearken.Event) []string {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.ID())
	}
	return ids
}

var errAway = errors.New("away")

// mistakes are the paths of the ConfigErrors that err joins, and what they say.
func mistakes(t *testing.T, err error) map[string]string {
	t.Helper()
	found := map[string]string{}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, err := range joined.Unwrap() {
		var mistake *hearken.ConfigError
		require.ErrorAs(t, err, &mistake)
		found[mistake.Path] = strings.TrimSpace(found[mistake.Path] + " " + mistake.Msg)
	}
	return found
}
