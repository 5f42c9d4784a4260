package main

import (
	"context"
	_ "embed"
	"errors"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/hearken-go/hearken/bus/natsbus/embedded"
	"github.com/hearken-go/hearken/examples/internal/console"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/nats-io/nats.go"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// name is that of the pipelines, which makes replicas of all processes on one
// bus, and of the lease.
const name = "hearken-operator"

//go:embed policy.yaml
var policy string

// pipelines returns one that watches and acts, or, where a leader is to watch,
// one that acts and one that watches: of one name on one bus these are the same.
func pipelines(b bus.Bus, mgr manager.Manager, leader bool) []*part {
	watched, elsewhere := namespaces(watch(mgr)), namespaces(nil)
	if !leader {
		return []*part{newPart(b, watched, deny(mgr, watched))}
	}
	act := newPart(b, elsewhere, deny(mgr, elsewhere))
	lead := newPart(b, watched)
	lead.leader = true
	lead.after = act.Pipeline // the bus keeps nothing that no sensor has asked for
	return []*part{act, lead}
}

func newPart(b bus.Bus, s *hearken.EventSource, sensors ...hearken.Sensor) *part {
	p := &hearken.Pipeline{Name: name, Bus: b, EventSources: []*hearken.EventSource{s}, Sensors: sensors, Drain: drain}
	return &part{Pipeline: p, ended: make(chan error, 1)}
}

// namespaces is the topic, whoever runs the source.
func namespaces(s hearken.Source) *hearken.EventSource {
	return &hearken.EventSource{Name: "namespaces", Event: "labelled", Source: s}
}

// watch returns the source of Namespaces that have the label, or come to have it.
func watch(mgr manager.Manager) *resource.Source {
	return &resource.Source{
		Config:   mgr.GetConfig(),
		Resource: schema.GroupVersionResource{Version: "v1", Resource: "namespaces"},
		Labels:   "team",
		Types:    []resource.Type{resource.Add},
	}
}

func deny(mgr manager.Manager, s *hearken.EventSource) hearken.Sensor {
	labelled := &hearken.Dependency{EventSource: s}
	namespace := params.Data(labelled, "body.metadata.name")
	return hearken.Sensor{Name: "deny", Actions: []hearken.Action{{When: labelled, Trigger: &announced{
		Trigger: &k8s.Trigger{
			Client:    &k8s.Client{Config: mgr.GetConfig(), Mapper: mgr.GetRESTMapper()},
			Operation: k8s.CreateIfAbsent,
			Object:    &k8s.Manifest{Text: policy, Params: []params.Param{{Dest: "metadata.namespace", Value: namespace}}},
		},
		line: console.Line{Object: params.Object{
			"namespace": namespace,
			"team":      params.Data(labelled, "body.metadata.labels.team"),
		}},
	}}}}
}

// announced prints what the trigger has done.
type announced struct {
	*k8s.Trigger
	line console.Line
}

func (a *announced) Fire(ctx context.Context, f hearken.Firing) error {
	if err := a.Trigger.Fire(ctx, f); err != nil {
		return err
	}
	return a.line.Fire(ctx, f)
}

// openBus returns a bus of the replicas, or of this process.
func openBus(ctx context.Context, f flags) (b bus.Bus, closeBus func(context.Context) error, err error) {
	if f.nats == "" {
		if f.listen != "" && f.data == "" {
			return nil, nil, errors.New("-listen needs -data: the bus that replicas open is one on disk")
		}
		e, err := embedded.Open(ctx, embedded.Config{Dir: f.data, Listen: f.listen})
		if err != nil {
			return nil, nil, err
		}
		return e, e.Close, nil
	}
	conn, err := nats.Connect(f.nats, nats.MaxReconnects(-1))
	if err != nil {
		return nil, nil, err
	}
	n, err := natsbus.Open(ctx, conn, natsbus.Config{})
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return n, func(ctx context.Context) error {
		err := n.Close(ctx)
		conn.Close()
		return err
	}, nil
}
