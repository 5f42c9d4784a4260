package httptrigger

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter is far beyond any action's Retry.
const maxRetryAfter = 365 * 24 * time.Hour

// retryAfter returns the wait that a Retry-After header asks for: RFC 9110,
// 10.2.3, as seconds or as a date. A date is compared to the answer's own Date
// where there is one, so that clocks need not agree.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter, true // digits that do not fit
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}
