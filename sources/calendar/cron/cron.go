package cron

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	parser "github.com/netresearch/go-cron"
)

// Schedule is a parsed expression, made by Parse. It fits calendar.Source.Schedule and
// hearken.Action.Reset, is not changed, and may be used concurrently.
type Schedule struct {
	expr string
	loc  *time.Location // nil: that of the time that Next is given
	next interface{ Next(time.Time) time.Time }
}

// Next returns the first time after t that the expression names, in t's
// location.
func (s *Schedule) Next(t time.Time) time.Time {
	at := t
	if s.loc != nil {
		at = t.In(s.loc)
	}
	return s.next.Next(at).In(t.Location())
}

// Validate reports a Schedule that Parse has not made.
func (s *Schedule) Validate() error {
	if s.next == nil {
		return errors.New("is an empty cron.Schedule; cron.Parse makes one")
	}
	return nil
}

// String returns the expression as it was given.
func (s *Schedule) String() string { return s.expr }

// Parse is the Parse of a zero Parser: five fields, or a descriptor.
func Parse(expr string) (*Schedule, error) { return Parser{}.Parse(expr) }

// Parser parses expressions. The zero value is ready to use.
type Parser struct {
	// Seconds lets expressions have a field of seconds before the other five.
	// With five fields it is 0.
	Seconds bool

	// Location is the time zone of expressions that do not begin with TZ= or
	// CRON_TZ=. Nil: that of the time which Next is given, for a
	// calendar.Source its Location, for a Reset the process's, time.Local.
	Location *time.Location
}

// maxExpr is how many bytes an expression may have.
const maxExpr = 1024

// searchYears is within how many years an expression must name a time: between
// two February 29 there are up to eight.
const searchYears = 10

// options are robfig's: with day of month and day of week both restricted, a
// day that is either will do.
const options = parser.Second | parser.Minute | parser.Hour | parser.Dom | parser.Month | parser.Dow | parser.DowOrDom

// Parse returns the schedule that expr says. An error names the expression, the
// field that is wrong, and what would do; an expression that never comes true,
// such as on February 30, is an error too.
func (p Parser) Parse(expr string) (*Schedule, error) {
	s, err := p.parse(expr)
	if err != nil {
		return nil, fmt.Errorf("cron expression %.*q: %w", maxExpr, expr, err)
	}
	return s, nil
}

func (p Parser) parse(expr string) (*Schedule, error) {
	if len(expr) > maxExpr {
		return nil, fmt.Errorf("has %d bytes; at most %d", len(expr), maxExpr)
	}
	s := &Schedule{expr: expr, loc: p.Location}
	rest, err := s.zone(strings.TrimSpace(expr))
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(rest, "@") {
		return s, s.descriptor(rest)
	}
	return s, s.fields(strings.Fields(rest), p.Seconds)
}

// zone takes the time zone off the begin of expr.
func (s *Schedule) zone(expr string) (string, error) {
	first, rest, _ := strings.Cut(expr, " ")
	name, ok := strings.CutPrefix(first, "CRON_TZ=")
	if !ok {
		name, ok = strings.CutPrefix(first, "TZ=")
	}
	if !ok {
		return expr, nil
	}
	if name == "" {
		return "", errors.New("the time zone is empty; write one such as CRON_TZ=Europe/Berlin")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return "", fmt.Errorf("time zone %q: %w; it is a name of the IANA database, such as Europe/Berlin or UTC", name, err)
	}
	s.loc = loc
	return strings.TrimSpace(rest), nil
}

// descriptor sets s to what a word that begins with @ says.
func (s *Schedule) descriptor(word string) error {
	if every, ok := strings.CutPrefix(word, "@every "); ok {
		d, err := time.ParseDuration(strings.TrimSpace(every))
		if err != nil || d < time.Second {
			return fmt.Errorf("@every %q is not a duration of at least a second, such as 1h30m", every)
		}
		s.next = interval(d)
		return nil
	}
	fields := map[string]string{
		"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
		"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
	}[word]
	if fields == "" {
		return fmt.Errorf("%q is none of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and @every <duration>", word)
	}
	return s.fields(strings.Fields(fields), false)
}

// interval is an @every, at whole multiples since the zero time.
type interval time.Duration

func (i interval) Next(t time.Time) time.Time {
	return t.Truncate(time.Duration(i)).Add(time.Duration(i))
}

// names are those of the fields, and what each may be.
func names() []string {
	return []string{
		"second (0-59)", "minute (0-59)", "hour (0-23)", "day of month (1-31)",
		"month (1-12 or JAN-DEC)", "day of week (0-7 or SUN-SAT)",
	}
}

// fields sets s to what five fields say, or six, the first of which is seconds.
func (s *Schedule) fields(fields []string, seconds bool) error {
	switch n := len(fields); {
	case n == 5:
		fields = append([]string{"0"}, fields...)
	case n == 6 && !seconds:
		return errors.New("has 6 fields; it is minute, hour, day of month, month and day of week, and Parser.Seconds lets one of seconds stand before them")
	case n != 6:
		return fmt.Errorf("has %d fields; it is minute, hour, day of month, month and day of week, such as 30 2 * * MON", n)
	}
	for i, name := range names() {
		if err := field(i, fields[i]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	spec, err := parseFields(fields)
	if err != nil {
		return err
	}
	if spec.Next(time.Unix(0, 0).UTC()).IsZero() {
		return fmt.Errorf("never comes true: no month that it names has such a day (%s of %s)", fields[3], fields[4])
	}
	s.next = clock{spec}
	return nil
}

// parseFields parses six fields. The result is in UTC, where no hour is skipped
// or repeated.
func parseFields(fields []string) (*parser.SpecSchedule, error) {
	days, err := weekdays(fields[weekdayField])
	if err != nil {
		return nil, err
	}
	// In lower case, since the parser takes any H for an extension, that of THU too.
	expr := strings.ToLower(strings.Join(fields[:weekdayField], " ") + " " + days)
	s, err := parser.MustNewParser(options).WithMaxSearchYears(searchYears).Parse(expr)
	if err != nil {
		return nil, err
	}
	spec, ok := s.(*parser.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("is parsed to a %T", s)
	}
	spec.Location = time.UTC
	return spec, nil
}

// field returns what is wrong with the i-th field, by an expression of which
// the others are right.
func field(i int, text string) error {
	for item := range strings.SplitSeq(text, ",") {
		if err := check(i, strings.ToUpper(item)); err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
	}
	all := []string{"*", "*", "*", "*", "*", "*"}
	all[i] = text
	_, err := parseFields(all)
	var number *strconv.NumError
	if errors.As(err, &number) {
		return fmt.Errorf("%q: %q is neither a number nor a name", text, number.Num)
	}
	return err
}

// check returns what is wrong with an item of a list that the parser takes for
// something else, or speaks of in terms of its own options.
func check(i int, item string) error {
	switch {
	case item == "":
		return errors.New("there is an empty place in the list")
	case strings.HasPrefix(item, "*-"), strings.HasPrefix(item, "?-"):
		return errors.New("a range begins with a number")
	case strings.HasPrefix(item, "H"), i == 3 && strings.ContainsAny(item, "LW"), i == weekdayField && strings.Contains(item, "#"):
		return errors.New("H, L, W and # are extensions that are not understood; write numbers, ranges, lists and steps")
	}
	return nil
}
