package httptrigger

var (
	RetryAfter   = retryAfter
	Escape       = escape
	WithoutBegin = withoutBegin
)
