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
// events handed back for later may come too early. The Floor of a group goes back
// with them; where there are replicas it is 20 seconds late, for what may be on
// its way into the stream.
//
// # The store
//
// A key of the Store is a subject of the bucket: its slashes are dots there, odd
// characters are escaped, and a part of more than 120 bytes is a hash, with
// the key itself in a header. So List has the server find what is below a
// prefix that ends with a slash; for any other it looks at all that is below
// the last slash. A key is bounded by the 64 KiB of a message's headers, a value
// by max_payload.
//
// An Update is a read and a write, which the server refuses when another came
// between; one whose answer was lost looks whether it took place. Deleting
// removes the message and leaves no marker: it needs no room, nothing has to
// expire, the tools of NATS show what is there, and a watcher is not told.
// What these tools set or delete counts. Configured replicas are given to
// an existing bucket, or a [MismatchError] says why not.
//
// # What it does not do
//
// It does not order the events of a group beyond the order in which they are
// first delivered, and it does not keep what no group wants.
package natsbus
