package hearken

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hearken-go/hearken/bus"
)

// mistakes are those of a pipeline.
type mistakes struct {
	Mistakes
	seen map[*Dependency]bool
}

// at names an element of a list: by its name, or by its index where it has none.
func at(list, name string, i int) string {
	if name == "" {
		return fmt.Sprintf("%s[%d]", list, i)
	}
	return fmt.Sprintf("%s[%q]", list, name)
}

func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Interface, reflect.Chan:
		return r.IsNil()
	default:
		return false
	}
}

// name checks a name that ends up on the bus.
func (m *mistakes) name(path, name string) {
	switch {
	case name == "":
		m.Add(path, "is empty; it is what the bus stores things under")
	case strings.ContainsFunc(name, unicode.IsControl):
		m.Add(path, "%q holds a control character", name)
	case !utf8.ValidString(name):
		m.Add(path, "%q is not UTF-8", name)
	}
}

func (m *mistakes) pipeline(p *Pipeline) {
	m.name("Name", p.Name)
	if isNil(p.Bus) {
		m.Add("Bus", "is nil; give a bus, such as &memory.Bus{} where events may be lost with the process")
	} else {
		m.Ask("Bus", p.Bus)
	}
	m.Ask("Store", p.Store)
	if len(p.EventSources) == 0 && len(p.Sensors) == 0 {
		m.Add("", "the pipeline has neither event sources nor sensors")
	}
	m.eventSources(p.EventSources)
	names := make(map[string]bool)
	for i := range p.Sensors {
		s := &p.Sensors[i]
		path := at("Sensors", s.Name, i)
		m.name(path+".Name", s.Name)
		if s.Name == "*" {
			m.Add(path+".Name", `is "*", which means all sensors in DeadLetters`)
		}
		if s.Name != "" && names[s.Name] {
			m.Add(path+".Name", "is the name of another sensor too")
		}
		names[s.Name] = true
		m.sensor(path, p, s)
	}
}

func (m *mistakes) eventSources(list []*EventSource) {
	topics := make(map[bus.Topic]bool)
	sources := make(map[Source]string)
	for i, s := range list {
		if s == nil {
			m.Add(at("EventSources", "", i), "is nil")
			continue
		}
		topic := bus.Topic{EventSource: s.Name, Event: s.Event}
		path := at("EventSources", s.Name, i)
		if s.Name != "" && s.Event != "" {
			path = at("EventSources", topic.String(), i)
		}
		m.name(path+".Name", s.Name)
		m.name(path+".Event", s.Event)
		if strings.HasPrefix(s.Name, "$") {
			m.Add(path+".Name", "begins with $, which is kept for Hearken's own topics")
		}
		if topics[topic] {
			m.Add(path, "has the Name and Event of another event source")
		}
		topics[topic] = true
		m.Ask(path+".Source", s.Source)
		m.sourceOnce(path, s.Source, sources)
	}
}

// sourceOnce finds one source value under two event sources: it would run twice
// at once. Pointers to what has no size are equal though they are of two.
func (m *mistakes) sourceOnce(path string, s Source, seen map[Source]string) {
	if t := reflect.TypeOf(s); isNil(s) || t.Kind() != reflect.Pointer || t.Elem().Size() == 0 {
		return
	}
	if other, ok := seen[s]; ok {
		m.Add(path+".Source", "is also the Source of %s; give each event source its own", other)
	}
	seen[s] = path
}

func (m *mistakes) sensor(path string, p *Pipeline, s *Sensor) {
	if len(s.Actions) == 0 {
		m.Add(path+".Actions", "is empty; a sensor without actions does nothing")
	}
	if s.Workers < 0 || s.Workers > maxWorkers {
		m.Add(path+".Workers", "is %d; at most %d, and zero means %d", s.Workers, maxWorkers, defaultWorkers)
	}
	if s.InFlight < 0 || s.InFlight > inFlightEach*maxWorkers {
		m.Add(path+".InFlight", "is %d; at most %d, and zero means %d for each worker", s.InFlight, inFlightEach*maxWorkers, inFlightEach)
	}
	names := make(map[string]bool)
	for i := range s.Actions {
		a := &s.Actions[i]
		apath := at(path+".Actions", a.Name, i)
		if a.Name == "" && len(s.Actions) > 1 {
			m.Add(apath+".Name", "is empty; only the one action of a sensor may do without")
		} else if a.Name != "" {
			m.name(apath+".Name", a.Name)
		}
		if a.Name != "" && names[a.Name] {
			m.Add(apath+".Name", "is the name of another action of the sensor too")
		}
		names[a.Name] = true
		m.action(apath, p, a)
	}
}

// timeout compares the action's with what its trigger needs.
func (m *mistakes) timeout(path string, a *Action) {
	defer m.recovered(path + ".Trigger")
	has := attemptTimeout(a)
	t, ok := a.Trigger.(interface{ MinTimeout() time.Duration })
	if !ok || has <= 0 {
		return
	}
	switch needs := t.MinTimeout(); {
	case has >= needs:
	case a.Timeout == 0:
		m.Add(path+".Timeout", "is zero, which means %v, but the trigger may need %v", has, needs)
	default:
		m.Add(path+".Timeout", "is %v, but the trigger may need %v; leave it zero for what the trigger says", has, needs)
	}
}

func (m *mistakes) action(path string, p *Pipeline, a *Action) {
	m.condition(path+".When", p, a.When)
	m.joining(path, p, a)
	m.retry(path+".Retry", a.Retry)
	m.Ask(path+".RateLimit", a.RateLimit)
	if isNil(a.Trigger) {
		m.Add(path+".Trigger", "is nil; an action without a trigger does nothing")
		return
	}
	m.Ask(path+".Trigger", a.Trigger)
	m.timeout(path, a)
	if r, ok := a.Trigger.(Reader); ok && !isNil(a.When) {
		defer m.recovered(path + ".Trigger")
		m.reads(path+".Trigger", a.When, r.Reads())
	}
}

// joining checks what is about joins.
func (m *mistakes) joining(path string, p *Pipeline, a *Action) {
	if a.Within < 0 {
		m.Add(path+".Within", "is negative")
	}
	if !m.sound(a.When) {
		return // its mistakes have been said
	}
	if !joins(a.When) {
		m.notJoining(path, a)
		return
	}
	if storer, ok := p.Bus.(bus.Storer); p.Store == nil && (!ok || isNil(storer)) && !isNil(p.Bus) {
		m.Add(path+".When", "joins several events, which wait in a store: %T has none of its own, so give Pipeline.Store", p.Bus)
	}
	if !isNil(a.Reset) {
		m.Ask(path+".Reset", a.Reset)
	} else if a.Reset != nil {
		m.Add(path+".Reset", "is a nil %T", a.Reset)
	}
	var keyed, keyless []string
	for _, d := range uniqueDependencies(a.When) {
		if d.Key != nil {
			keyed = append(keyed, d.name())
		} else {
			keyless = append(keyless, d.name())
		}
	}
	switch {
	case len(keyed) > 0 && len(keyless) > 0:
		m.Add(path+".When", "joins dependencies with a Key (%q) and without (%q): give all of them one, or none", keyed, keyless)
	case len(keyed) > 0 && a.Within == 0:
		m.Add(path+".Within", "is zero: a join by Key needs a bound, or what never finds its match is kept for ever")
	}
}

// notJoining refuses what would have no effect.
func (m *mistakes) notJoining(path string, a *Action) {
	const alone = "is about joins, but one event is enough for the action's When"
	if a.Within > 0 {
		m.Add(path+".Within", alone)
	}
	if a.Reset != nil {
		m.Add(path+".Reset", alone)
	}
	if a.Queue {
		m.Add(path+".Queue", alone)
	}
}

// sound reports whether a condition is whole.
func (m *mistakes) sound(c Condition) bool {
	var cs []Condition
	switch c := c.(type) {
	case nil:
		return false
	case *Dependency:
		return c != nil && c.EventSource != nil
	case allOf:
		cs = c
	case anyOf:
		cs = c
	}
	return len(cs) > 0 && !slices.ContainsFunc(cs, func(c Condition) bool { return !m.sound(c) })
}

func (m *mistakes) retry(path string, r Retry) {
	for _, f := range []struct {
		name  string
		value time.Duration
	}{{"Min", r.Min}, {"Max", r.Max}, {"For", r.For}} {
		if f.value < 0 {
			m.Add(path+"."+f.name, "is negative; for no retry say Attempts: 1")
		}
	}
	if r.Attempts < 0 {
		m.Add(path+".Attempts", "is negative; zero means as many as fit in For")
	}
	if floor, all := orDefault(r.Min, defaultRetryMin), orDefault(r.For, defaultRetryFor); floor > all && r.Attempts != 1 {
		m.Add(path+".Min", "is %v, above For, %v", floor, all)
	}
	if r.Max > 0 && orDefault(r.Min, defaultRetryMin) > r.Max {
		m.Add(path+".Max", "is %v, below Min, %v", r.Max, orDefault(r.Min, defaultRetryMin))
	}
}

func (m *mistakes) condition(path string, p *Pipeline, c Condition) {
	if isNil(c) {
		m.Add(path, "is nil; say which dependency the action waits for")
		return
	}
	m.shape(path, c)
	names := make(map[string]*Dependency)
	for _, d := range uniqueDependencies(c) {
		if d == nil {
			continue // shape has said so
		}
		dpath := fmt.Sprintf("%s[%q]", path, d.name())
		if !m.seen[d] { // it may stand in several actions
			m.seen[d] = true
			m.dependency(dpath, p, d)
		}
		if names[d.name()] != nil {
			m.Add(dpath+".Name", "is the name of two dependencies of the action; give one another Name")
		}
		names[d.name()] = d
	}
}

// shape checks the tree of a condition.
func (m *mistakes) shape(path string, c Condition) {
	var kind string
	var cs []Condition
	switch c := c.(type) {
	case allOf:
		kind, cs = "All", c
	case anyOf:
		kind, cs = "Any", c
	default:
		return
	}
	if len(cs) == 0 {
		m.Add(path, "is an empty %s, which never holds", kind)
	}
	for i, sub := range cs {
		subPath := fmt.Sprintf("%s.%s[%d]", path, kind, i)
		if isNil(sub) {
			m.Add(subPath, "is nil")
			continue
		}
		m.shape(subPath, sub)
	}
}

func (m *mistakes) dependency(path string, p *Pipeline, d *Dependency) {
	m.Ask(path+".Filter", d.Filter)
	switch s := d.EventSource; {
	case s == nil:
		m.Add(path+".EventSource", "is nil; say where the event comes from")
	case s.Name == bus.DeadLetterSource:
		m.name(path+".EventSource: DeadLetters", s.Event)
	case !slices.Contains(p.EventSources, s):
		m.Add(path+".EventSource", "%s", unlisted(p, s))
	}
}

// unlisted says in what way s is none of the pipeline's event sources: a copy of
// one looks as if it were.
func unlisted(p *Pipeline, s *EventSource) string {
	isCopy := func(listed *EventSource) bool {
		return listed != nil && listed.Name == s.Name && listed.Event == s.Event
	}
	if slices.ContainsFunc(p.EventSources, isCopy) {
		return fmt.Sprintf("is another *EventSource than the %s/%s of the pipeline's EventSources; use the same pointer", s.Name, s.Event)
	}
	return fmt.Sprintf("%s/%s is not among the pipeline's EventSources; list it, with a nil Source if another process runs it", s.Name, s.Event)
}

// reads finds what a trigger reads and the condition does not give.
func (m *mistakes) reads(path string, c Condition, reads []Read) {
	has := uniqueDependencies(c)
	for _, r := range reads {
		rpath := below(path, r.Path)
		switch {
		case r.Dependency == nil:
			m.Add(rpath, "reads a nil dependency")
		case !slices.Contains(has, r.Dependency):
			m.Add(rpath, "%s", unmet(has, r.Dependency))
		case !r.Optional && !requires(c, r.Dependency):
			m.Add(rpath, "reads dependency %q, which may be absent under Any; give a default", r.Dependency.name())
		}
	}
}

// unmet says what is wrong with a read of d: a copy of a dependency looks as if it
// were in the condition.
func unmet(has []*Dependency, d *Dependency) string {
	if slices.ContainsFunc(has, func(h *Dependency) bool { return h != nil && h.name() == d.name() }) {
		return fmt.Sprintf("reads another *Dependency than the %q of the action's When; use the same pointer", d.name())
	}
	return fmt.Sprintf("reads dependency %q, which is not in the action's When", d.name())
}
