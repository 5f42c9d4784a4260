package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hearken-go/hearken"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Type is what happened to an object.
type Type string

// The types, as Argo Events names them. With Source.Labels an object that comes
// to match is added, and one that matches no more is deleted.
const (
	Add    Type = "ADD"
	Update Type = "UPDATE"
	Delete Type = "DELETE"
)

// Source emits an event for each change of the objects of one resource that it
// is asked for. Fill in the fields before it is used and do not change them
// afterwards. One Source belongs to one event source of one pipeline.
type Source struct {
	// Config says where the cluster is and who asks. This or Client is required,
	// not both. Its QPS and Burst, by client-go's default 5 and 10, bound requests,
	// of which a source makes few; they are logged.
	Config *rest.Config
	// Client is what to ask with, for an application that has one.
	Client dynamic.Interface

	// Resource names what is watched: its group, version and plural name. Without
	// a version the Mapper is asked. This or Kind is required, not both. A resource
	// that is not there, perhaps not yet, is waited for.
	Resource schema.GroupVersionResource
	// Kind names it by its kind, for which the Mapper is asked; a version may be
	// left out. A kind that is not there yet is asked for again every 10 seconds.
	Kind schema.GroupVersionKind
	// Mapper finds resources by kind. It is reset, if it can be, when it knows no
	// match, or one that the cluster does not serve. Nil: the cluster is asked, by
	// Config.
	Mapper meta.RESTMapper

	// Namespaces are those whose objects are watched, each on its own, so that
	// rights in them are enough. One that does not exist has no objects until it
	// does, which is logged at the start if it may be got. Empty: all.
	Namespaces []string
	// Types are those emitted. Empty: all.
	Types []Type
	// NamePrefix is how the names begin of the objects that are watched.
	NamePrefix string
	// Labels selects objects in kubectl's syntax: "app=shop,tier in (web, api),
	// !canary, release, weight > 5". The cluster evaluates it. With it, ADD and
	// DELETE mean that an object entered and left the selection.
	Labels string
	// Fields are conditions on the object's JSON, all of which have to hold for
	// its event to be emitted. They are judged event by event: an object that
	// comes to fulfil them is an UPDATE. Of Secrets they see what events tell: see
	// the field Secrets.
	Fields []Field
	// CreatedBy excludes objects that were created after it. It is part of the
	// selection: one that is computed anew at each start, from the time of day,
	// makes each start a first one. Zero: none.
	CreatedBy time.Time

	// AfterStart leaves out the objects that exist when the source is started for
	// the first time: they are remembered, and only what happens to them is an
	// event. False: each is emitted as ADD once.
	AfterStart bool

	// OldBody adds to an UPDATE what the object was before. The source then keeps
	// the JSON of every object in memory. It is null for the first UPDATE of an
	// object after the process began.
	OldBody bool
	// Secrets leaves what Secrets hold in the events. False: the values of their
	// data and stringData, and kubectl's copy of them, are "***".
	Secrets bool
	// Metadata is added to the data of each event. Empty: the data has none.
	Metadata map[string]string

	// Lease has one of several processes watch at a time, where the bus does not
	// make one event of what they all publish: each process's own memory bus, or
	// Kafka. Nil: every process watches.
	Lease *Lease

	running  atomic.Bool
	warned   atomic.Bool
	last     *memory   // without a Store, what the last Run knew; Run's own
	reset    time.Time // when the Mapper last was; written while no scope is watched
	trouble  troubles
	counters struct{ relists, partial, truncated, refused atomic.Uint64 }
}

// Report implements hearken.Reporter. The counters are: relists, how often the
// watch could not go on and all objects were listed again; partial, DELETEs that
// a list has shown, without the object; truncated, events that were too large
// for the bus and went without the object's content; refused, events that the
// bus will never take.
func (s *Source) Report() hearken.Report {
	return hearken.Report{Trouble: s.trouble.current(), Counters: map[string]uint64{
		"relists":   s.counters.relists.Load(),
		"partial":   s.counters.partial.Load(),
		"truncated": s.counters.truncated.Load(),
		"refused":   s.counters.refused.Load(),
	}}
}

// Validate finds mistakes in the fields. It reads the files that Config names.
func (s *Source) Validate() error {
	var m hearken.Mistakes
	s.validateClient(&m)
	s.validateResource(&m)
	for i, ns := range s.Namespaces {
		at := fmt.Sprintf("Namespaces[%d]", i)
		switch {
		case ns == "":
			m.Add(at, "is empty; leave Namespaces out to watch all")
		case slices.Contains(s.Namespaces[:i], ns):
			m.Add(at, "is %q, which is there already", ns)
		case len(validation.IsDNS1123Label(ns)) > 0:
			m.Add(at, "%q is no namespace: %s", ns, strings.Join(validation.IsDNS1123Label(ns), "; "))
		}
	}
	if strings.ContainsAny(s.NamePrefix, "/%") {
		m.Add("NamePrefix", "is %q; no name has '/' or '%%' in it, and a namespace goes into Namespaces", s.NamePrefix)
	}
	for i, t := range s.Types {
		if t != Add && t != Update && t != Delete {
			m.Add(fmt.Sprintf("Types[%d]", i), "is %q; there are %q, %q and %q", t, Add, Update, Delete)
		}
	}
	if _, err := labels.Parse(s.Labels); err != nil {
		m.Add("Labels", "%q: %v", s.Labels, err)
	}
	for i, f := range s.Fields {
		if msg := f.mistake(); msg != "" {
			m.Add(fmt.Sprintf("Fields[%d]", i), "%s", msg)
		}
	}
	if s.Lease != nil {
		s.Lease.validate(s.Config, &m)
	}
	return m.Err()
}

func (s *Source) validateClient(m *hearken.Mistakes) {
	switch {
	case s.Config == nil && s.Client == nil:
		m.Add("Config", "is nil, and so is Client; one of them is needed to reach the cluster")
	case s.Config != nil && s.Client != nil:
		m.Add("Config", "is set, and so is Client; leave one of them out")
	case s.Config != nil:
		if _, _, err := rest.DefaultServerURL(cmp.Or(s.Config.Host, "localhost"), s.Config.APIPath, schema.GroupVersion{}, true); err != nil {
			m.Add("Config.Host", "%v", err)
		}
		if _, err := rest.TLSConfigFor(s.Config); err != nil {
			m.Add("Config", "%v", err)
		}
	}
}

func (s *Source) validateResource(m *hearken.Mistakes) {
	noResource, noKind := s.Resource == schema.GroupVersionResource{}, s.Kind == schema.GroupVersionKind{}
	switch {
	case noResource && noKind:
		m.Add("Resource", "is empty, and so is Kind; say by one of them what to watch")
	case !noResource && !noKind:
		m.Add("Resource", "is set, and so is Kind; leave one of them out")
	case !noKind && s.Kind.Kind == "":
		m.Add("Kind.Kind", "is empty; %v names no kind", s.Kind)
	case !noResource && s.Resource.Resource == "":
		m.Add("Resource.Resource", "is empty; it is the plural name, such as \"deployments\"")
	case strings.Contains(s.Resource.Resource, "/"):
		m.Add("Resource.Resource", "is %q; a subresource cannot be watched", s.Resource.Resource)
	case s.Resource.Resource != strings.ToLower(s.Resource.Resource):
		m.Add("Resource.Resource", "is %q; it is the plural name in lower case, such as \"deployments\", and a kind goes into Kind", s.Resource.Resource)
	}
	if s.mapped() && s.Mapper == nil && s.Config == nil {
		m.Add("Mapper", "is nil; without a Config it is needed to find the resource of a kind, or its version")
	}
}

// mapped says that the Mapper is needed.
func (s *Source) mapped() bool {
	return s.Kind != schema.GroupVersionKind{} || s.Resource.Resource != "" && s.Resource.Version == ""
}

// Run watches until ctx ends. It waits for a cluster that is away, for rights
// that are missing and for a resource that is not there, which Report shows
// meanwhile. A mistake that Validate finds, and a Source that already runs
// elsewhere, are Permanent errors.
func (s *Source) Run(ctx context.Context, out hearken.Output) error {
	if err := s.Validate(); err != nil {
		return hearken.Permanent(err)
	}
	if !s.running.CompareAndSwap(false, true) {
		return hearken.Permanent(fmt.Errorf("resource: the Source of %s runs already, for another event source: give each its own", out.Topic))
	}
	defer s.running.Store(false)
	defer s.trouble.clearAll()
	if !s.warned.Swap(true) {
		s.warn(out)
	}
	clients, err := s.clients(ctx)
	if err != nil {
		return hearken.Permanent(fmt.Errorf("resource: Config: %w", err))
	}
	defer clients.closeIdle()
	work := func(ctx context.Context) error { return s.work(ctx, out, clients) }
	if s.Lease != nil {
		return s.lead(ctx, out, clients, work)
	}
	return work(ctx)
}

// warn tells, once, what the pipeline does not give the source.
func (s *Source) warn(out hearken.Output) {
	if out.Store == nil {
		out.Logger.Warn("resource source has no Store: at each start objects that exist are taken for new, and what happened meanwhile is not seen")
	}
	if s.Lease == nil && out.Dedupe == 0 {
		out.Logger.Warn("resource source has no Lease, and the bus does not recognise what another process has published: replicas make an event each")
	}
}

// work watches, anew when what it is to watch has to be found out again.
func (s *Source) work(ctx context.Context, out hearken.Output, c clients) error {
	for ctx.Err() == nil {
		r := &run{Source: s, out: out, clients: c}
		err := r.all(ctx)
		if ctx.Err() == nil && !errors.Is(err, errAnew) {
			return err
		}
		if errors.Is(err, errNotServed) {
			s.resetMapper(c.mapper)
		}
	}
	return nil
}

func (s *Source) wants(t Type) bool { return len(s.Types) == 0 || slices.Contains(s.Types, t) }
