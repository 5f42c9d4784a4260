package resource_test

import (
	"context"
	"fmt"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// A Source tells of failed pods of one app. The Config is what
// rest.InClusterConfig, or clientcmd with a kubeconfig, gives.
func ExampleSource() {
	source := &resource.Source{
		Config:     &rest.Config{Host: "https://cluster.example.com"},
		Resource:   schema.GroupVersionResource{Version: "v1", Resource: "pods"},
		Namespaces: []string{"shop"},
		Types:      []resource.Type{resource.Update},
		Labels:     "app=my-pod, tier in (web, api)",
		Fields:     []resource.Field{{Path: "status.phase", Values: []any{"Failed"}}},
	}
	failed := &hearken.EventSource{Name: "cluster", Event: "failed-pods", Source: source}
	p := &hearken.Pipeline{
		Name:         "watch",
		Bus:          &memory.Bus{},
		EventSources: []*hearken.EventSource{failed},
	}
	fmt.Println(p.Validate())
	// Output: <nil>
}

// Here a cluster in memory stands in for Kubernetes, and a Recorder for the
// pipeline.
func ExampleSource_events() {
	var kubernetes cluster
	rec := &sourcetest.Recorder{Store: &memory.Store{}}
	source := &resource.Source{Client: &kubernetes, Resource: configMaps, NamePrefix: "web"}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- source.Run(ctx, rec.Output()) }()

	kubernetes.create("shop/web-1")
	events, err := rec.Wait(ctx, 1)
	cancel()
	fmt.Println(<-ended, err)
	fmt.Println(events[0].Type(), events[0].ID())
	// Output:
	// <nil> <nil>
	// resource uid-1/ADD
}
