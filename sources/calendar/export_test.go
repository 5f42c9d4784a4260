package calendar

import "time"

// SetNow gives s another wall clock than time.Now.
func (s *Source) SetNow(now func() time.Time) { s.now = now }

// Next is the first tick of s after t.
func (s *Source) Next(t time.Time) (time.Time, error) { return s.next(t) }

// LastRunKey is where the Store keeps the last run.
const LastRunKey = lastRunKey
