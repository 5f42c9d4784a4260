package lambdatrigger

// RetryAfter is what a test cannot read from an error.
var RetryAfter = retryAfter //nolint:gochecknoglobals // for tests

// Counted returns how many firings t counts failures of.
func (t *Trigger) Counted() int { return len(t.failures.young) + len(t.failures.old) }
