package cron

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// weekdayField is the place of the day of week among six fields.
const weekdayField = 5

// weekdays writes a field of days of week without the steps that the parser
// would take through a week of eight days: it knows Sunday as 0 and as 7.
func weekdays(field string) (string, error) {
	items := strings.Split(field, ",")
	for i, item := range items {
		days, step, stepped := strings.Cut(item, "/")
		every, err := strconv.Atoi(step)
		if !stepped || err != nil || every < 1 {
			continue // nothing to do, or for the parser to judge
		}
		if items[i], err = steps(days, every); err != nil {
			return "", err
		}
	}
	return strings.Join(items, ","), nil
}

// steps lists each so many of days: a range, or what they begin with. What it
// cannot read it leaves to the parser.
func steps(days string, every int) (string, error) {
	first, last, ranged := strings.Cut(days, "-")
	if !ranged {
		last = "SAT" // N/2 is N-6/2
	}
	from, to := weekday(first), weekday(last)
	if from < 0 || to < 0 {
		return fmt.Sprintf("%s/%d", days, every), nil
	}
	if from == 7 && to < 7 {
		from = 0
	}
	if to < from {
		to += 7
	}
	if size := to - from + 1; every > 1 && every >= size {
		return "", fmt.Errorf("step (%d) must be less than range size (%d): %q", every, size, fmt.Sprintf("%s/%d", days, every))
	}
	var list []string
	for day := from; day <= to; day += every {
		list = append(list, strconv.Itoa(day%7))
	}
	return strings.Join(list, ","), nil
}

// weekday returns the number of a day, 0 to 7, or -1 if text is none.
func weekday(text string) int {
	if n, err := strconv.Atoi(text); err == nil && 0 <= n && n <= 7 {
		return n
	}
	return slices.Index([]string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}, strings.ToUpper(text))
}
