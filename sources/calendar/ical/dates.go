package ical

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Dates is a set of dates. It may be used concurrently.
type Dates struct {
	mu    sync.Mutex
	dates map[string]bool // by EXDATE, as in 20060102
	rules []*rule
}

// Contains reports whether the date of t, in t's location, is in the set. The
// method fits calendar.Source.Exclude.
func (d *Dates) Contains(t time.Time) bool {
	date := t.Format(dateLayout)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dates[date] {
		return true
	}
	for _, r := range d.rules {
		if r.contains(date) {
			return true
		}
	}
	return false
}

const (
	dateLayout = "20060102"
	// maxRules is how many RRULEs there may be: an unlucky one takes a tenth of a
	// second to find out that it has no more dates.
	maxRules = 50
	// maxLine is how many bytes a line may have. Folded lines are one.
	maxLine = 64 << 10
)

// Parse returns the dates of the given lines. A string may hold several lines,
// as a calendar file has them; empty ones are passed over. All mistakes are
// reported, each with its line.
func Parse(lines ...string) (*Dates, error) {
	d := &Dates{dates: map[string]bool{}}
	var errs []error
	var start string // the last DTSTART
	for _, line := range unfold(lines) {
		if err := d.add(line, &start); err != nil {
			errs = append(errs, fmt.Errorf("%.100q: %w", line, err))
		}
	}
	if len(d.rules) > maxRules {
		errs = append(errs, fmt.Errorf("there are %d RRULEs; at most %d", len(d.rules), maxRules))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return d, nil
}

// unfold returns the lines that are not empty, with what RFC 5545, 3.1, folded
// put together again.
func unfold(texts []string) []string {
	var lines []string
	for _, text := range texts {
		text = strings.ReplaceAll(text, "\r\n", "\n")
		text = strings.NewReplacer("\n ", "", "\n\t", "").Replace(text)
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// add adds what one line says.
func (d *Dates) add(line string, start *string) error {
	if len(line) > maxLine {
		return fmt.Errorf("has %d bytes; at most %d", len(line), maxLine)
	}
	head, value, ok := cut(line, ':')
	if !ok {
		return errors.New("is no EXDATE:..., RRULE:... or DTSTART:... line")
	}
	name, params, _ := strings.Cut(strings.ToUpper(head), ";")
	if err := checkParams(params); err != nil {
		return err
	}
	switch value = strings.ToUpper(strings.TrimSpace(value)); name {
	case "EXDATE":
		for item := range strings.SplitSeq(value, ",") {
			date, err := parseDate(item)
			if err != nil {
				return err
			}
			d.dates[date.Format(dateLayout)] = true
		}
		return nil
	case "DTSTART":
		_, err := parseDate(value)
		*start = value
		return err
	case "RRULE":
		r, err := parseRule(value, *start)
		if err == nil {
			d.rules = append(d.rules, r)
		}
		return err
	default:
		return fmt.Errorf("%s is not understood; EXDATE, RRULE and DTSTART are", name)
	}
}

// checkParams refuses parameters that give a value another form. A TZID changes
// nothing about a date as it is written.
func checkParams(params string) error {
	for more := true; more; {
		var p string
		p, params, more = cut(params, ';')
		if p != "" && p != "VALUE=DATE" && p != "VALUE=DATE-TIME" && !strings.HasPrefix(p, "TZID=") {
			return fmt.Errorf("parameter %s is not understood; VALUE=DATE, VALUE=DATE-TIME and TZID are", p)
		}
	}
	return nil
}

// cut is strings.Cut at the first sep that is not within quotes, as a TZID such as
// "(UTC+01:00) Berlin" has them.
func cut(s string, sep byte) (before, after string, found bool) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// parseDate returns the date of a DATE or DATE-TIME, as it is written.
func parseDate(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{dateLayout, "20060102T150405", "20060102T150405Z"} {
		if t, err := time.Parse(layout, text); err == nil {
			year, month, day := t.Date()
			return time.Date(year, month, day, 0, 0, 0, 0, time.UTC), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is no date; write one as 20261224, 20261224T180000 or 20261224T180000Z", text)
}
