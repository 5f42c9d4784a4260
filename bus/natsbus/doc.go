// Package natsbus is a bus on NATS JetStream, for any number of processes that
// publish and share the work of their groups. Package
// [github.com/hearken-go/hearken/bus/natsbus/embedded] runs the server inside
// the process.
//
//	nc, err := nats.Connect(url, nats.MaxReconnects(-1))
//	b, err := natsbus.Open(ctx, nc, natsbus.Config{Name: "orders"})
//	p := &hearken.Pipeline{Name: "orders", Bus: b, ...}
//
// # What is where
//
// A bus named N has four streams. N keeps events until each group has settled
// them, under one subject a topic, and refuses more when it is full.
// N-deadletters keeps dead letters by age and size. KV_N is a key-value bucket,
// the bus's Store. N-groups holds who is a member of which group. A group is one
// durable pull consumer on each of the first two that it wants topics of.
//
// A message is a CloudEvent 1.0 in the binary content mode of the NATS binding:
// attributes are headers named "ce-...", the data is the body, as it is. What
// other publishers send to the subjects in that mode or, with the content type
// application/cloudevents+json, in structured mode is an event as well;
// anything else is delivered with Delivery.Err set.
//
// # Guarantees
//
// Publish returns nil once the server has stored the event in all its replicas.
// What then survives is the server's matter:
//
//	                    process killed   server killed   power cut on its machine
//	memory storage      kept             lost            lost
//	file, 1 replica     kept             kept            kept up to the server's last sync
//	file, 3 replicas    kept             kept            kept unless two machines fail at once
//
// With memory storage and 3 replicas a killed server loses nothing either, as
// long as two of the three live. A server whose sync_interval is "always" has
// synced an event before it answers.
//
// A member that dies has its deliveries handed on after Config.AckWait, three
// seconds, and one that closes in order at once. After a server was killed,
// events that were settled in its last moments may be delivered again, and
// events handed back for later may come too early.
//
// # What it does not do
//
// It does not order the events of a group beyond the order in which they are
// first delivered, and it does not keep what no group wants.
package natsbus
