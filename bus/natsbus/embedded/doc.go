// Package embedded runs a NATS server with JetStream inside the process, so
// that a bus is durable with nothing installed.
//
//	b, err := embedded.Open(ctx, embedded.Config{Dir: "data"})
//	if err != nil { ... }
//	defer b.Close(context.WithoutCancel(ctx))
//	p := &hearken.Pipeline{Name: "quickstart", Bus: b, ...}
//
// The server opens no port unless Config.Listen asks for one, writes nothing
// outside Config.Dir, and handles no signals. One server at a time uses a
// folder; a second one fails with ErrLocked instead of losing events.
//
// # Guarantees
//
// What survives of the events whose Publish returned nil:
//
//	                        process killed   power cut
//	Dir empty               nothing          nothing
//	Dir, Sync zero          everything       all but the last second
//	Dir, Sync of d          everything       all but the last d
//	Dir, SyncAlways         everything       everything
//
// SyncAlways costs a sync of the disk for each event. A killed process includes
// SIGKILL, a panic and the kernel's memory killer. After one, events that were
// settled in its last moments may be delivered again.
//
// A server whose disk is full or fails stores nothing more, even when there is room
// again, until it is started anew: each Publish fails, with the server's reason.
// What it has stored it still delivers. MaxDisk keeps it from filling a disk that
// nobody else fills.
//
// # What it does not do
//
// It is one server: it does not form clusters, and a lost disk is lost. For
// copies on several machines run NATS servers and use package natsbus alone.
package embedded
