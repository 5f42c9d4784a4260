package natsbus

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hearken-go/hearken/bus"
)

const (
	metaGroup  = "hearken-group"  // the group's name, as a token
	metaTopics = "hearken-topics" // its topics, as topicSet.encode

	// maxFilters is how many topics a consumer filters one by one. The server
	// matches each message against all of them.
	maxFilters = 200
	// maxTopicsText keeps a group's topics within what the server takes as
	// metadata, 128 KiB.
	maxTopicsText = 120 << 10
)

// topicSet is what a group takes from one stream: by subject, the last sequence
// number of the stream when the subject was added. Up to that one, events are
// not the group's.
type topicSet map[string]uint64

// encode writes s for a consumer's metadata, the subjects without their prefix.
func (s topicSet) encode(prefix string) (string, error) {
	words := make([]string, 0, len(s))
	for subject, since := range s {
		w := strings.TrimPrefix(subject, prefix)
		if since > 0 {
			w += "@" + strconv.FormatUint(since, 10)
		}
		words = append(words, w)
	}
	slices.Sort(words)
	text := strings.Join(words, " ")
	if len(text) > maxTopicsText {
		return "", fmt.Errorf("natsbus: the group's %d topics are too many: their names take %d bytes, the limit is %d",
			len(s), len(text), maxTopicsText)
	}
	return text, nil
}

func decodeTopics(prefix, text string) (topicSet, error) {
	s := topicSet{}
	for w := range strings.FieldsSeq(text) {
		name, at, ok := strings.Cut(w, "@")
		var since uint64
		if ok {
			var err error
			if since, err = strconv.ParseUint(at, 10, 64); err != nil {
				return nil, fmt.Errorf("natsbus: topics in a consumer's metadata: %w", err)
			}
		}
		s[prefix+name] = since
	}
	return s, nil
}

// filters returns what a consumer that takes s filters: its subjects, or, when
// they are too many, all events of the sources that have most of them, or
// everything. No two overlap, which the server refuses.
func (s topicSet) filters(prefix string) []string {
	if len(s) <= maxFilters {
		return slices.Sorted(maps.Keys(s))
	}
	bySource := map[string][]string{}
	for subject := range s {
		source := subject[:strings.LastIndexByte(subject, '.')+1]
		bySource[source] = append(bySource[source], subject)
	}
	sources := slices.SortedFunc(maps.Keys(bySource), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(bySource[b]), len(bySource[a])), strings.Compare(a, b))
	})
	if len(sources) > maxFilters || sources[0] == prefix { // dead letters have one source
		return []string{prefix + ">"}
	}
	var filters []string
	left := len(s)
	for _, source := range sources {
		if len(filters)+left > maxFilters {
			filters = append(filters, source+"*")
		} else {
			filters = append(filters, bySource[source]...)
		}
		left -= len(bySource[source])
	}
	slices.Sort(filters)
	return filters
}

// missing returns those of subjects that s lacks.
func (s topicSet) missing(subjects []string) []string {
	return slices.DeleteFunc(slices.Clone(subjects), func(subject string) bool {
		_, ok := s[subject]
		return ok
	})
}

// split returns the subjects of topics, those of dead letters apart.
func (s subjects) split(topics []bus.Topic) (events, letters []string, err error) {
	for _, t := range topics {
		subject, err := s.of(t)
		if err != nil {
			return nil, nil, err
		}
		if t.IsDeadLetters() {
			letters = append(letters, subject)
		} else {
			events = append(events, subject)
		}
	}
	slices.Sort(events)
	slices.Sort(letters)
	return slices.Compact(events), slices.Compact(letters), nil
}

func (s subjects) prefix(deadLetters bool) string {
	if deadLetters {
		return s.deadLetters
	}
	return s.events
}
