package resource

import (
	"cmp"
	"maps"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// markerLife is how long a deletion is remembered: a replica that lags, or a
// flush that was overtaken, does not bring the object back.
const markerLife = time.Hour

// entry is what is remembered of an object.
type entry struct {
	Name    string `json:"n"`           // namespace/name, or name
	Version string `json:"r"`           // the resourceVersion that is done with
	Outside bool   `json:"o,omitempty"` // Source.Fields did not hold
	Owed    bool   `json:"u,omitempty"` // its ADD was emitted, and an UPDATE of Version is to follow
	Gone    int64  `json:"d,omitempty"` // when it was deleted, in Unix seconds; 0: it is there
}

// expired says so too of what was deleted in the future, by a clock that has been
// set right since.
func (e entry) expired(now time.Time) bool {
	return e.Gone != 0 && now.Sub(time.Unix(e.Gone, 0)).Abs() > markerLife
}

func (e entry) namespace() string {
	ns, _, ok := strings.Cut(e.Name, "/")
	if !ok {
		return ""
	}
	return ns
}

// merge puts e in place of what known holds of the object, unless that is newer.
// Where a server tells of a deletion by the version that the object had, it is
// newer than the object.
func merge(known map[types.UID]entry, uid types.UID, e entry) {
	old, ok := known[uid]
	order := 1
	if ok {
		order = compareVersions(e.Version, old.Version)
	}
	if order > 0 || order == 0 && (old.Gone == 0 || e.Gone != 0) {
		known[uid] = e
	}
}

// compareVersions compares resourceVersions. Kubernetes promises that they are
// decimal numbers that grow (KEP-5504), and always kept to it. Of others the
// first counts as newer, unless they are equal.
func compareVersions(a, b string) int {
	if a == b {
		return 0
	}
	if !isNumber(a) || !isNumber(b) {
		return 1
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

// memory is what is known of the objects, and up to where events are done with.
// Its methods may be called concurrently.
type memory struct {
	mu        sync.Mutex
	known     map[types.UID]entry
	bodies    map[types.UID][]byte   // with Source.OldBody
	positions map[string]string      // by scope
	dirty     map[types.UID]struct{} // what the Store does not know yet
	moved     bool                   // of the positions it does not
	swept     time.Time              // when expired markers were last taken out
}

func newMemory() *memory {
	return &memory{
		known: map[types.UID]entry{}, bodies: map[types.UID][]byte{}, positions: map[string]string{},
		dirty: map[types.UID]struct{}{},
	}
}

func (m *memory) get(uid types.UID) (e entry, ok bool, body []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok = m.known[uid]
	return e, ok, m.bodies[uid]
}

// put remembers an object. A nil body is not kept.
func (m *memory) put(uid types.UID, e entry, body []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[uid] = e
	m.dirty[uid] = struct{}{}
	if body == nil {
		delete(m.bodies, uid)
	} else {
		m.bodies[uid] = body
	}
}

func (m *memory) position(scope string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.positions[scope]
}

func (m *memory) moveTo(scope, version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.positions[scope] != version {
		m.positions[scope] = version
		m.moved = true
	}
}

// missing returns what is known to be in the scope and was not seen in it.
func (m *memory) missing(scope string, seen map[types.UID]struct{}) map[types.UID]entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	missing := map[types.UID]entry{}
	for uid, e := range m.known {
		if _, ok := seen[uid]; !ok && e.Gone == 0 && (scope == "" || e.namespace() == scope) {
			missing[uid] = e
		}
	}
	return missing
}

// changes is what the Store is to be told.
type changes struct {
	known     map[types.UID]entry
	positions map[string]string // nil: they have not moved
}

// collect returns what has changed since it was last called. The positions are
// never ahead of the entries.
func (m *memory) collect(now time.Time) changes {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := changes{known: make(map[types.UID]entry, len(m.dirty))}
	for uid := range m.dirty {
		c.known[uid] = m.known[uid]
	}
	clear(m.dirty)
	if m.moved {
		c.positions = maps.Clone(m.positions)
		m.moved = false
	}
	if now.Sub(m.swept) > time.Minute {
		m.swept = now
		maps.DeleteFunc(m.known, func(_ types.UID, e entry) bool { return e.expired(now) })
	}
	return c
}

// restore takes back changes that could not be told.
func (m *memory) restore(c changes) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for uid := range c.known {
		if _, ok := m.known[uid]; ok {
			m.dirty[uid] = struct{}{}
		}
	}
	m.moved = m.moved || c.positions != nil
}
