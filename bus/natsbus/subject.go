package natsbus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/hearken-go/hearken/bus"
)

// maxSubject bounds the encoded subject of a topic. The server's default limit
// for a whole protocol line is 4 KiB, which also carries the reply subject.
const maxSubject = 2048

const upperHex = "0123456789ABCDEF"

// appendToken appends name as one token of a NATS subject: letters, digits, '-'
// and '_' stand for themselves, any other byte is "=XX", the empty name is "=".
// No two names have the same token, and those that people choose stay readable.
func appendToken(b []byte, name string) []byte {
	if name == "" {
		return append(b, '=')
	}
	for i := range len(name) {
		if c := name[i]; plainByte(c) {
			b = append(b, c)
		} else {
			b = append(b, '=', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

func token(name string) string { return string(appendToken(nil, name)) }

func plainByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// plainName reports whether name is its own token.
func plainName(name string) bool {
	for i := range len(name) {
		if !plainByte(name[i]) {
			return false
		}
	}
	return name != ""
}

// untoken is the inverse of appendToken.
func untoken(t string) (string, error) {
	if t == "=" {
		return "", nil
	}
	if strings.IndexByte(t, '=') < 0 {
		return t, nil
	}
	b := make([]byte, 0, len(t))
	for i := 0; i < len(t); i++ {
		if t[i] != '=' {
			b = append(b, t[i])
			continue
		}
		if i+2 >= len(t) {
			return "", fmt.Errorf("natsbus: token %q ends in the middle of an escape", t)
		}
		c, err := hex.DecodeString(t[i+1 : i+3])
		if err != nil {
			return "", fmt.Errorf("natsbus: token %q: %w", t, err)
		}
		b = append(b, c[0])
		i += 2
	}
	return string(b), nil
}

// subjects knows under which subjects a bus stores its topics.
type subjects struct {
	events, deadLetters string // prefixes, each ending in "."
}

func newSubjects(name string) subjects {
	return subjects{events: name + ".events.", deadLetters: name + ".deadletters."}
}

// of returns t's subject.
func (s subjects) of(t bus.Topic) (string, error) {
	if plainName(t.EventSource) && plainName(t.Event) && len(s.events)+len(t.EventSource)+len(t.Event) < maxSubject {
		// The same as below, for the names that most topics have; that of dead
		// letters is not one of them.
		return s.events + t.EventSource + "." + t.Event, nil
	}
	b := make([]byte, 0, 128)
	if t.IsDeadLetters() {
		b = append(b, s.deadLetters...)
	} else {
		b = append(b, s.events...)
		b = append(appendToken(b, t.EventSource), '.')
	}
	b = appendToken(b, t.Event)
	if len(b) > maxSubject {
		return "", fmt.Errorf("%w: the names of topic %.64q… are too long: %d bytes encoded, the limit is %d",
			bus.ErrRejected, t.String(), len(b), maxSubject)
	}
	return string(b), nil
}

// topic returns the topic that is stored under subject.
func (s subjects) topic(subject string) (bus.Topic, error) {
	if ev, ok := strings.CutPrefix(subject, s.deadLetters); ok {
		name, err := untoken(ev)
		return bus.Topic{EventSource: bus.DeadLetterSource, Event: name}, err
	}
	rest, ok := strings.CutPrefix(subject, s.events)
	src, ev, two := strings.Cut(rest, ".")
	if !ok || !two {
		return bus.Topic{}, fmt.Errorf("natsbus: subject %q is no topic of this bus", subject)
	}
	source, err := untoken(src)
	if err != nil {
		return bus.Topic{}, err
	}
	name, err := untoken(ev)
	return bus.Topic{EventSource: source, Event: name}, err
}

// groupID returns the name of a group's consumers: something to recognise it by
// in the tools of NATS, and a hash that makes it unique. It is also the name of
// a folder on the server, so it is short and its case does not matter.
func groupID(group string) string {
	readable := []byte(strings.ToLower(group))
	readable = readable[:min(len(readable), 40)]
	for i, c := range readable {
		if !plainByte(c) {
			readable[i] = '_'
		}
	}
	return string(readable) + "-" + hash(group)[:16]
}

// hash returns 128 bits of the SHA-256 of s as 32 hexadecimal digits.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}
