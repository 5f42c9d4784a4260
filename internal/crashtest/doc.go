// Package crashtest shows by crashes that nothing is lost: pipelines that are
// processes, over JetStream on disk, are killed under load, and so are the NATS
// server and the connections between them. A [Ledger] then accounts for every
// event that a webhook accepted.
//
// A [Scenario] is a load, what harms it, and for how long. While it runs
//
//   - posters post events to whichever process is up, each with an id of its
//     own. Some pair up, by a key or as they come; of some pairs one half is
//     withheld; some events are poison. A poster sends most of what was refused
//     or not answered again, with the same id, and forgets the rest;
//   - the [Sink], where the triggers post to, fails, is slow, and breaks
//     connections after it has booked a firing;
//   - a [Killer] kills, stops, cuts and slows.
//
// Then all is let run in peace until the bus holds nothing that is not settled.
// What is pending is proven to be there by posting what it waits for. In the end
//
//   - an accepted event has fired, is a dead letter, or was pending; else it is
//     lost;
//   - an event fires under one id, a firing has the same events each time, and a
//     pair has equal keys;
//   - only poison is dead-lettered, and poison never fires;
//   - a request with an idempotency key that has come before is a duplicate:
//     counted, and allowed where something was killed or cut;
//   - what was not accepted may have been stored, and is counted if it arrives;
//   - events without keys may be stored twice when a server is killed between
//     storing and answering, and then pair twice; so they are only looked for.
//
// All random choices come from one seed, but not when the processes run. The
// processes are the test binary itself: its TestMain calls [RunChild]. They end
// with their parent, however that ends.
package crashtest
