package resource_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/internal/kubefake"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
)

// TestByConfig has the source make its own clients and
// say how fast it may ask.
func TestByConfig(t *testing.T) {
	server := kubefake.New(t, kubefake.Kind{Group: "shop.example.com", Version: "v1", Kind: "Widget", Resource: "widgets"})
	for name, tt := range map[string]struct {
		set  func(*rest.Config)
		want string
	}{
		"default":   {func(*rest.Config) {}, "client_qps=5 client_burst=10"},
		"set":       {func(c *rest.Config) { c.QPS, c.Burst = 50, 100 }, "client_qps=50 client_burst=100"},
		"unlimited": {func(c *rest.Config) { c.QPS = -1 }, "client_qps=unlimited client_burst=0"},
		"shared":    {func(c *rest.Config) { c.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(20, 30) }, "client_qps=20 client_burst=0"},
	} {
		t.Run(name, func(t *testing.T) {
			config := &rest.Config{Host: server.URL}
			tt.set(config)
			l := &log{}
			rec := &sourcetest.Recorder{Store: &memory.Store{}, Logger: l.logger()}
			s := &resource.Source{Config: config, Resource: schema.GroupVersionResource{Group: "shop.example.com", Version: "v1", Resource: "widgets"}}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx, rec.Output()) }()
			require.Eventually(t, func() bool { return strings.Contains(l.String(), tt.want) }, 30*time.Second, time.Millisecond, l)
			cancel()
			require.NoError(t, <-ended)
		})
	}
}
