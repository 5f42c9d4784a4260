package bus

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/cloudevents/sdk-go/v2/event"
)

// The CloudEvents extensions of an event that was published back from the dead
// letters: how often, and the ID of the firing that had failed. Both are part of
// its Identity, or it would be taken for a duplicate of what failed, or of the
// same event published back for another action.
const (
	RedriveExtension = "hearkenredrive"
	FiringExtension  = "hearkenfiring"
)

// Identity is what makes two publications the same happening. It is comparable.
// CloudEvents 1.0 makes source and id unique for each distinct event; the topic
// is added since one happening may be published to several.
type Identity struct {
	Topic   Topic
	Source  string // the event's source attribute
	ID      string // the event's id attribute
	Redrive int    // how often it was published back
	Firing  string // the firing that had failed, if it was published back
}

// IdentityOf returns the identity of e published to t.
func IdentityOf(t Topic, e event.Event) Identity {
	id := Identity{Topic: t, Source: source(e), ID: e.ID()}
	if id.Redrive = Redrive(e); id.Redrive > 0 {
		id.Firing, _ = e.Extensions()[FiringExtension].(string)
	}
	return id
}

// Redrive returns how often e was published back from the dead letters.
func Redrive(e event.Event) int {
	var x map[string]any
	if c, ok := e.Context.(*event.EventContextV1); ok {
		x = c.Extensions // e.Extensions would copy them
	} else if e.Context != nil {
		x = e.Extensions()
	}
	switch n := x[RedriveExtension].(type) {
	case int32:
		return int(n)
	case string:
		i, _ := strconv.Atoi(n) // not a number: nothing of ours
		return i
	}
	return 0
}

// Hash returns 128 bits of the identity's SHA-256 as 32 hexadecimal digits, for
// a bus whose dedupe key is a string.
func (i Identity) Hash() string {
	sum := sha256.Sum256(i.Append(make([]byte, 0, 128)))
	return hex.EncodeToString(sum[:16])
}

// Append appends an encoding of i to b in which no two identities are alike.
func (i Identity) Append(b []byte) []byte {
	for _, s := range [...]string{i.Topic.EventSource, i.Topic.Event, i.Source, i.ID} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendVarint(b, int64(i.Redrive))
	if i.Redrive > 0 {
		b = append(b, i.Firing...)
	}
	return b
}

// source returns e.Source() and spares the building of a URL from its parts in
// the usual case, a source that is only a path.
func source(e event.Event) string {
	if c, ok := e.Context.(*event.EventContextV1); ok {
		u := &c.Source.URL
		if u.Scheme == "" && u.Opaque == "" && u.User == nil && u.Host == "" && u.RawPath == "" &&
			u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery && plain(u.Path) {
			return u.Path
		}
	}
	if e.Context == nil {
		return ""
	}
	return e.Source()
}

// plain reports whether a URL path is the same escaped and not.
func plain(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '/':
		default:
			return false
		}
	}
	return true
}
