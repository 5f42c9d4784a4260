// Package resource makes events of what happens to Kubernetes objects: of any
// resource, built in or of a CRD, in some namespaces or all.
//
//	pods := &hearken.EventSource{Name: "cluster", Event: "pods", Source: &resource.Source{
//		Config:   config, // a *rest.Config
//		Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
//		Labels:   "app=my-pod",
//		Fields:   []resource.Field{{Path: "status.phase", Values: []any{"Failed"}}},
//	}}
//
// An event has the type "resource", and data as Argo Events has it:
//
//	{"type": "UPDATE", "body": {...}, "oldBody": {...}, "group": "", "version": "v1", "resource": "pods", "metadata": {...}}
//
// type is ADD, UPDATE or DELETE and body the object, without its managedFields;
// oldBody and metadata are there when the Source asks for them. What Secrets hold
// is "***". The event's time is when the object says that it happened, if it does.
//
// # What is promised
//
// The existence, the disappearance and the latest state of every object that is
// watched becomes an event. While the source runs, and over a restart for as long
// as the cluster remembers what happened (minutes), every change is one. When it
// does not remember any more, the source lists all objects and compares them with
// what it knew: then updates in between, and objects that lived only in between,
// are missed, and a DELETE has of the body only what names the object, and
// "partial": true.
//
// Events of one object are emitted in order, those of different objects several
// at once. A sensor that is to handle them in that order has one of Workers, in
// one process: the last UPDATE of an object and its DELETE are milliseconds
// apart. A change is emitted until the bus has stored it. While the bus is full
// the watch is not read, so that nothing piles up here; the cluster ends a watch
// that lags, and the source goes on from where it was.
//
// An event that is too large for the bus goes again without oldBody, and then
// with only the metadata of the object, or what names it, and "truncated": true.
//
// # Starting
//
// The first time, each object that exists is emitted as ADD; with
// Source.AfterStart they are only remembered. What is known then, and up to which
// resourceVersion all is emitted, is kept in the pipeline's Store, written every
// few seconds and at the end: a restart goes on from there. A process that is
// killed repeats what it emitted since, with the same ids; of an object that it
// saw first in those seconds, and that is gone when the next one has to list,
// there is no DELETE. Another cluster,
// resource, selection or filter has a state of its own, so its first start is
// one, and going back to the former goes on where that was. Without a Store every
// process begins as the first time.
//
// Where an ADD may repeat one that somebody else has emitted, and the object was
// changed since, an UPDATE follows it: a bus that drops the ADD as repeated has
// the latest state all the same.
//
// # Ids and replicas
//
// The id of an UPDATE is made of the object's uid and resourceVersion, that of an
// ADD or DELETE of its uid; with Source.Labels, where an object can enter and
// leave the selection many times, of both. So several processes may watch the
// same, on a bus that they share and that drops what is published twice
// (bus.Deduper, as natsbus is): one event is left of each, in the order of the
// process that was first with it, so that one that lags may add an UPDATE behind a
// newer one where that had listed anew. After a relist that only one of them has to
// make, its ADD or DELETE under Source.Labels may differ and be one too many. On
// other buses give the Source a [Lease].
//
// # Trouble
//
// A cluster that is away, a right that is missing (its verb, resource and
// namespace are named) and a resource that does not exist yet do not end Run.
// They are tried again, every ten seconds at least or, where the cluster asks for
// longer, every minute, logged, and shown by Health as Trouble of the event source;
// so are a cluster that has not answered for 90 seconds, one that ends each watch
// at once, and a Store that has not answered for 10 seconds. The rights are list
// and watch on the resource, and get on the namespace kube-system, whose uid names
// the cluster; without the latter it is taken for the one last seen, and a state
// that comes from another cluster is not recognised as such.
package resource
