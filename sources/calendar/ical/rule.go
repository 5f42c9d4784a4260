package ical

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// rule is an RRULE, of which the dates have been gone through up to some day.
type rule struct {
	next  func() (time.Time, bool)
	dates []string // in order, as in 20060102
	ended bool
}

// contains goes on to the given date and reports whether it is one.
func (r *rule) contains(date string) bool {
	for !r.ended && (len(r.dates) == 0 || r.dates[len(r.dates)-1] < date) {
		r.step()
	}
	_, found := slices.BinarySearch(r.dates, date)
	return found
}

func (r *rule) step() {
	t, ok := r.next()
	if !ok {
		r.ended = true
		return
	}
	r.dates = append(r.dates, t.Format(dateLayout))
}

// Bounds of what a rule may say: they keep a rule's work small, and its sums
// within an int.
const (
	maxInterval = 10_000
	maxCount    = 100_000
	maxList     = 366
	firstYear   = 1900
	lastYear    = 2200
)

// epoch is where a rule begins for which that makes no difference.
func epoch() time.Time { return time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC) }

// parseRule returns the rule of value, which begins at start; "": wherever.
func parseRule(value, start string) (*rule, error) {
	parts, err := split(value)
	if err != nil {
		return nil, err
	}
	if start == "" {
		if err := anyStart(parts); err != nil {
			return nil, err
		}
	}
	option, err := rrule.StrToROption(strings.Join(parts.rest, ";"))
	if err != nil {
		return nil, err
	}
	if err := numberWeekdays(option); err != nil {
		return nil, err
	}
	option.Dtstart = epoch()
	if start != "" {
		if option.Dtstart, err = parseDate(start); err != nil {
			return nil, err
		}
	}
	if y := option.Dtstart.Year(); y < firstYear || y > lastYear {
		return nil, fmt.Errorf("DTSTART is in the year %d; %d to %d will do", y, firstYear, lastYear)
	}
	option.Until = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) // the library's own end is 290 years from the start
	if until, ok := parts.values["UNTIL"]; ok {
		if option.Until, err = parseDate(until); err != nil {
			return nil, fmt.Errorf("UNTIL: %w", err)
		}
	}
	parsed, err := rrule.NewRRule(*option)
	if err != nil {
		return nil, err
	}
	r := &rule{next: parsed.Iterator()}
	if r.step(); r.ended {
		return nil, errors.New("has no date")
	}
	return r, nil
}

// parts are the parts of an RRULE.
type parts struct {
	values map[string]string
	rest   []string // those that the library is to read
}

// split checks the parts of a rule.
func split(value string) (parts, error) {
	p := parts{values: map[string]string{}}
	for part := range strings.SplitSeq(strings.TrimSuffix(value, ";"), ";") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return p, fmt.Errorf("%.40q is not of the form NAME=VALUE", part)
		}
		if _, ok := p.values[key]; ok {
			return p, fmt.Errorf("%s stands there twice", key)
		}
		if err := checkPart(key, value); err != nil {
			return p, err
		}
		p.values[key] = value
		if key != "UNTIL" {
			p.rest = append(p.rest, part)
		}
	}
	_, count := p.values["COUNT"]
	_, until := p.values["UNTIL"]
	switch freq := p.values["FREQ"]; {
	case freq == "":
		return p, errors.New("has no FREQ; DAILY, WEEKLY, MONTHLY or YEARLY")
	case count && until:
		return p, errors.New("has both COUNT and UNTIL; RFC 5545 allows one")
	case freq != "MONTHLY" && freq != "YEARLY" && strings.ContainsAny(p.values["BYDAY"], "0123456789"):
		return p, fmt.Errorf("BYDAY=%.40s numbers weekdays, which only a MONTHLY or YEARLY rule may", p.values["BYDAY"])
	}
	return p, nil
}

// checkPart checks a part as far as the library does not.
func checkPart(key, value string) error {
	switch key {
	case "FREQ":
		if !slices.Contains([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}, value) {
			return fmt.Errorf("FREQ=%.40s: whole days are excluded; DAILY, WEEKLY, MONTHLY or YEARLY will do", value)
		}
	case "INTERVAL":
		return checkNumber(key, value, 1, maxInterval)
	case "COUNT":
		return checkNumber(key, value, 1, maxCount)
	case "BYEASTER":
		for item := range strings.SplitSeq(value, ",") {
			if err := checkNumber(key, item, -70, 240); err != nil { // stays within the year
				return err
			}
		}
	case "BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYMONTH", "BYSETPOS":
		if strings.Count(value, ",") >= maxList {
			return fmt.Errorf("%s lists more than %d", key, maxList)
		}
		if slices.Contains(strings.Split(value, ","), "0") {
			return fmt.Errorf("%s=0 means nothing", key)
		}
	case "UNTIL", "WKST":
	default:
		return fmt.Errorf("%.40s is not understood: whole days are excluded, by FREQ, INTERVAL, COUNT, UNTIL, WKST, BYDAY, BYMONTHDAY, BYYEARDAY, BYWEEKNO, BYMONTH, BYSETPOS and BYEASTER", key)
	}
	return nil
}

func checkNumber(key, value string, least, most int) error {
	if n, err := strconv.Atoi(value); err != nil || n < least || n > most {
		return fmt.Errorf("%s=%.40s is not a number from %d to %d", key, value, least, most)
	}
	return nil
}

// numberWeekdays checks the numbers of weekdays: at one that no month has, the
// library looks before the begin of its year, and panics. Where some have a
// number, it gives the others all there are: of 1MO,FR the library takes only
// what is both.
func numberWeekdays(option *rrule.ROption) error {
	span, most := "year", 53
	if option.Freq == rrule.MONTHLY || len(option.Bymonth) > 0 {
		span, most = "month", 5
	}
	var plain, numbered []rrule.Weekday
	for _, day := range option.Byweekday {
		switch n := day.N(); {
		case n < -most || n > most:
			return fmt.Errorf("byday must be between 1 and %d or -1 and -%d: no %s has more of a weekday", most, most, span)
		case n != 0:
			numbered = append(numbered, day)
		case !slices.Contains(plain, day):
			plain = append(plain, day)
		}
	}
	if len(numbered) == 0 {
		return nil
	}
	for _, day := range plain {
		for n := range most {
			numbered = append(numbered, day.Nth(n+1))
		}
	}
	option.Byweekday = numbered
	return nil
}

// anyStart returns why a rule needs a DTSTART: most rules say by themselves which
// days they are of, but some count from their start.
func anyStart(p parts) error {
	has := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return p.values[key] != "" })
	}
	const needed = "needs a DTSTART:... line before it: "
	if n := p.values["INTERVAL"]; n != "" && n != "1" {
		return errors.New(needed + "INTERVAL counts from there")
	}
	if has("COUNT") {
		return errors.New(needed + "COUNT counts from there")
	}
	byDay := has("BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYEASTER")
	if p.values["FREQ"] != "DAILY" && !byDay {
		return errors.New(needed + "nothing else says which day it is; or add BYDAY or BYMONTHDAY")
	}
	return nil
}
