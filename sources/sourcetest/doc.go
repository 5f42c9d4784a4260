// Package sourcetest tests sources.
//
//   - [Run] is the conformance kit: each sentence by which [hearken.Source] and
//     [hearken.Output] bind a source is a named case, run against a source and
//     the [Upstream] behind it. Every source of this project passes it.
//   - [Recorder] is what a source can emit into in a unit test: it remembers the
//     events, and what Emit answers is programmable: [FailFirst], [Gate].
//
// A source is proved in one test:
//
//	func TestSource(t *testing.T) {
//		sourcetest.Run(t, sourcetest.Harness{
//			New: func(t testing.TB) sourcetest.Upstream {
//				q := startQueue(t)
//				return sourcetest.Upstream{
//					Source:  &queuesource.Source{URL: q.URL},
//					Produce: q.Send,
//					Outcome: q.Outcome,
//				}
//			},
//		})
//	}
//
// The kit cannot make upstream fail: that Run returns an error which is worth
// another call is left to the source's own tests. It never takes silence for
// proof sooner than Harness.Quiet, and never takes slowness for failure sooner
// than Harness.Wait. The package imports package testing and is for tests only.
package sourcetest
