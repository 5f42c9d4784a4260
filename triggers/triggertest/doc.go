// Package triggertest tests triggers, and pipelines that fire them.
//
//   - [Run] is the conformance kit: each sentence that [hearken.Trigger]
//     promises to the engine is a named case, run against a [Target] that the
//     trigger's author provides. Every trigger of this project passes it.
//   - [Recorder] is a trigger that remembers its firings, for tests of a
//     pipeline. Its outcome is programmable: [FailFirst], [Panic], [Gate].
//   - [NewFiring] makes a firing for a unit test of one trigger.
//   - [Start] runs a pipeline for the length of a test.
//
// Wait needs a context that ends before the test does, as t.Context does not, or a
// test of what does not fire hangs. That nothing fires is seen in Firings after
// synctest.Wait, and why in the pipeline's Health.
//
// Recorder, Gate and Start work inside a testing/synctest bubble. The package
// imports package testing and is for tests only.
package triggertest
