package join

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/hearken-go/hearken/bus"
)

// What is stored is binary: a format number, varints and strings with their
// length, and a checksum.
const format = 1

var (
	errCorrupt = errors.New("join: it is damaged")
	// errLater is of a value that is whole: it is left where it is.
	errLater = errors.New("join: it was written by a later version of Hearken")
)

// writer appends values. Strings that come again are referred to by number.
type writer struct {
	b     []byte
	names []string
}

// newWriter returns a writer of about so many bytes.
func newWriter(size int) *writer {
	return &writer{b: append(make([]byte, 0, size+256), format)}
}

func (w *writer) done() []byte {
	return binary.LittleEndian.AppendUint32(w.b, crc32.ChecksumIEEE(w.b))
}

func (w *writer) uint(v uint64)   { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)     { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) hash(h [16]byte) { w.b = append(w.b, h[:]...) }

func (w *writer) bytes(v []byte) {
	w.uint(uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.int(0)
		return
	}
	w.int(t.UnixNano())
}

func (w *writer) bools(vs ...bool) {
	var n byte
	for i, v := range vs {
		if v {
			n |= 1 << i
		}
	}
	w.b = append(w.b, n)
}

// name writes a string that is likely to come again.
func (w *writer) name(s string) {
	if i := slices.Index(w.names, s); i >= 0 {
		w.uint(uint64(i)) //nolint:gosec // an index
		return
	}
	w.uint(uint64(len(w.names)))
	w.names = append(w.names, s)
	w.bytes([]byte(s))
}

func (w *writer) list(names []string) {
	w.uint(uint64(len(names)))
	for _, s := range names {
		w.name(s)
	}
}

// reader reads what a writer wrote. After an error it reads zero values.
type reader struct {
	b     []byte
	names []string
	lists [2][]string // the last one, and room for another
	err   error
}

// read checks the frame of b and returns a reader of what is in it.
func read(b []byte) *reader {
	n := len(b) - crc32.Size
	switch {
	case n < 1 || crc32.ChecksumIEEE(b[:n]) != binary.LittleEndian.Uint32(b[n:]):
		return &reader{err: errCorrupt}
	case b[0] != format:
		return &reader{err: errLater}
	}
	return &reader{b: b[1:n]}
}

// fail ends the reading. What was wrong first counts.
func (r *reader) fail() {
	if r.b = nil; r.err == nil {
		r.err = errCorrupt
	}
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) next(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) bytes() []byte { return r.next(r.uint()) }

func (r *reader) hash() (h [16]byte) {
	copy(h[:], r.next(uint64(len(h))))
	return h
}

func (r *reader) time() time.Time {
	if n := r.int(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}

func (r *reader) bools(vs ...*bool) {
	b := r.next(1)
	if b == nil {
		return
	}
	for i, v := range vs {
		*v = b[0]&(1<<i) != 0
	}
}

func (r *reader) name() string {
	i := r.uint()
	switch {
	case i < uint64(len(r.names)):
		return r.names[i]
	case i > uint64(len(r.names)) || r.err != nil:
		r.fail()
		return ""
	}
	r.names = append(r.names, string(r.bytes()))
	return r.names[i]
}

// The least that a mark, a reference and a firing take.
const (
	leastMark    = 4
	leastRef     = 24
	leastPending = 19
)

// count reads how many of something follow, each of at least so many bytes.
func (r *reader) count(least int) int {
	n := r.uint()
	if n > uint64(len(r.b)/least) {
		r.fail()
		return 0
	}
	return int(n) //nolint:gosec // bounded by what there is
}

// list reads a list. One that is as the last one was is the same: thousands may be,
// and nobody changes one in its place.
func (r *reader) list() []string {
	names := r.lists[1][:0]
	for range r.count(1) {
		names = append(names, r.name())
	}
	if r.lists[1] = names; r.lists[0] == nil || !slices.Equal(names, r.lists[0]) {
		r.lists[0] = slices.Clip(append([]string{}, names...))
	}
	return r.lists[0]
}

func (en *entry) encode() []byte {
	w := newWriter(en.size)
	w.name(en.action)
	w.bools(en.keyed)
	w.bytes([]byte(en.key))
	w.time(en.last)
	w.uint(uint64(len(en.marks)))
	for i := range en.marks {
		w.mark(&en.marks[i])
	}
	w.refs(en.parts)
	w.uint(uint64(len(en.firing)))
	for i := range en.firing {
		p := &en.firing[i]
		w.hash(p.id)
		w.name(p.pos.Log)
		w.uint(p.pos.Seq)
		w.refs(p.refs)
	}
	return w.done()
}

// decodeEntry reads an entry; none is an empty one.
func decodeEntry(b []byte) (*entry, error) {
	en := &entry{size: len(b)}
	if b == nil {
		return en, nil
	}
	r := read(b)
	en.action = r.name()
	r.bools(&en.keyed)
	en.key = string(r.bytes())
	en.last = r.time()
	en.marks = make([]mark, r.count(leastMark))
	for i := range en.marks {
		r.mark(&en.marks[i])
	}
	en.parts = r.refs()
	en.firing = make([]pending, r.count(leastPending))
	for i := range en.firing {
		p := &en.firing[i]
		p.id = r.hash()
		p.pos.Log = r.name()
		p.pos.Seq = r.uint()
		p.refs = r.refs()
	}
	return en, r.err
}

func (w *writer) mark(m *mark) {
	w.name(m.dep)
	w.name(m.log)
	w.uint(m.floor)
	w.uint(uint64(len(m.above)))
	last := m.floor
	for _, s := range m.above {
		w.uint(s.from - last)
		w.uint(s.to - s.from)
		last = s.to
	}
}

func (r *reader) mark(m *mark) {
	m.dep = r.name()
	m.log = r.name()
	m.floor = r.uint()
	m.above = make([]span, r.count(2))
	last := m.floor
	for i := range m.above {
		s := &m.above[i]
		s.from = last + r.uint()
		s.to = s.from + r.uint()
		last = s.to
	}
}

func (w *writer) refs(refs []ref) {
	w.uint(uint64(len(refs)))
	for i := range refs {
		p := &refs[i]
		w.name(p.pos.Log)
		w.uint(p.pos.Seq)
		w.time(p.stored)
		w.time(p.deadline.at)
		w.bools(p.deadline.reset, p.part)
		w.int(p.bucket)
		w.name(p.version)
		w.list(p.deps)
		w.hash(p.identity)
	}
}

func (r *reader) refs() []ref {
	refs := make([]ref, r.count(leastRef))
	for i := range refs {
		p := &refs[i]
		p.pos.Log = r.name()
		p.pos.Seq = r.uint()
		p.stored = r.time()
		p.deadline.at = r.time()
		r.bools(&p.deadline.reset, &p.part)
		p.bucket = r.int()
		p.version = r.name()
		p.deps = r.list()
		p.identity = r.hash()
	}
	return refs
}

// encodePart writes an event that waits.
func encodePart(action string, a *Arrival) ([]byte, error) {
	w := newWriter(len(a.Event.Original.DataEncoded))
	w.name(action)
	w.name(a.Pos.Log)
	w.uint(a.Pos.Seq)
	w.time(a.Stored)
	w.name(a.Event.Topic.EventSource)
	w.name(a.Event.Topic.Event)
	w.list(a.Event.Dependencies)
	if err := w.event(a.Event.Original); err != nil {
		return nil, err
	}
	w.uint(uint64(len(a.Event.Views)))
	for dependency, view := range a.Event.Views {
		w.name(dependency)
		if err := w.event(view); err != nil {
			return nil, err
		}
	}
	value := w.done()
	if len(a.Event.Views) > 0 { // a Transform may have made anything
		if _, err := decodePart(value); err != nil {
			return nil, fmt.Errorf("join: %w: event %q cannot be stored as it was transformed: %w", bus.ErrRejected, a.Event.Original.ID(), err)
		}
	}
	return value, nil
}

// part is an event that waits, as it is stored.
type part struct {
	Event
	action string
	ref    ref // its position and when it was stored
}

func decodePart(b []byte) (*part, error) {
	r, p := read(b), new(part)
	p.action = r.name()
	p.ref.pos.Log = r.name()
	p.ref.pos.Seq = r.uint()
	p.ref.stored = r.time()
	p.Topic.EventSource = r.name()
	p.Topic.Event = r.name()
	p.Dependencies = r.list()
	p.Original = r.event()
	for range r.count(1) {
		if p.Views == nil {
			p.Views = make(map[string]event.Event)
		}
		dependency := r.name()
		p.Views[dependency] = r.event()
	}
	return p, r.err
}

func (v *running) encode() []byte {
	w := newWriter(0)
	w.name(v.action)
	w.uint(uint64(len(v.versions)))
	for version, heard := range v.versions {
		w.name(version)
		w.time(heard)
	}
	return w.done()
}

// decodeRunning reads which versions run: with an error, none.
func decodeRunning(b []byte) (running, error) {
	r, v := read(b), running{versions: make(map[string]time.Time)}
	v.action = r.name()
	for range r.count(1) {
		version := r.name()
		v.versions[version] = r.time()
	}
	if r.err != nil {
		clear(v.versions)
	}
	return v, r.err
}

// event writes the attributes in the JSON format of CloudEvents and the data as
// it is: that format would make text of bytes. An event without a source, such as
// a Transform may make, gets one for that, or the SDK would not read it.
func (w *writer) event(e event.Event) error {
	data, base64, noSource := e.DataEncoded, e.DataBase64, e.Source() == ""
	e.DataEncoded = nil
	if noSource {
		e = e.Clone()
		e.SetSource("none")
	}
	attributes, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("join: %w: event %q cannot be stored: %w", bus.ErrRejected, e.ID(), err)
	}
	w.bytes(attributes)
	w.bools(data != nil, base64, noSource)
	w.bytes(data)
	return nil
}

func (r *reader) event() (e event.Event) {
	attributes := r.bytes()
	var hasData, base64, noSource bool
	r.bools(&hasData, &base64, &noSource)
	data := r.bytes()
	if r.err != nil {
		return e
	}
	if err := unmarshal(attributes, &e); err != nil {
		r.b, r.err = nil, fmt.Errorf("%w: %w", errCorrupt, err)
		return e
	}
	if noSource {
		withoutSource(e.Context)
	}
	if e.DataEncoded, e.DataBase64 = nil, base64; hasData {
		e.DataEncoded = slices.Clone(data)
	}
	return e
}

// withoutSource takes the source from the context of an event that was just read.
func withoutSource(c event.EventContext) {
	switch c := c.(type) {
	case *event.EventContextV1:
		c.Source = types.URIRef{}
	case *event.EventContextV03:
		c.Source = types.URIRef{}
	}
}

// unmarshal makes an error of a panic, which the SDK's decoder has for some input.
func unmarshal(b []byte, e *event.Event) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("decoder panicked: %v", v)
		}
	}()
	return json.Unmarshal(b, e)
}
