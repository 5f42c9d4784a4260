package k8s

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Policy is what an object has to become. A wait takes one of the sensor's
// Workers; for what takes hours let a source tell of it instead, and another
// sensor act.
//
// States that the object's controller has not caught up with are not judged:
// those with a status.observedGeneration, a number or the text of one, below
// metadata.generation.
type Policy struct {
	// Until are the conditions that must all hold for the firing to succeed.
	// Empty: there is no wait.
	Until []Condition

	// Fail are conditions each of which fails the firing for good. They are asked
	// first.
	Fail []Condition

	// For is how long it may take. After that the firing has failed for good, with
	// an error that says what did not hold and what was there in its place, but for
	// the values of a Secret. Required where there is Until, and then what Trigger's AttemptTimeout comes
	// from; the action's Timeout, unless zero, must not be shorter.
	For time.Duration
}

func (p *Policy) isSet() bool { return len(p.Until) > 0 }

// Condition is something that may hold of an object. What is set of Labels and
// Path must hold; at least one of them is set.
type Condition struct {
	// Labels are labels that the object must have, with these values.
	Labels map[string]string

	// Path is a place in the object, in gjson's syntax, such as status.phase or
	// `status.conditions.#(type=="Complete").status`.
	Path string

	// Values are the texts of which what is there must be one: a string is itself,
	// anything else its JSON. Empty: something must be there that is not null,
	// false or the empty string.
	Values []string
}

func (c *Condition) holds(o *unstructured.Unstructured, text []byte) bool {
	return c.instead(o, text) == ""
}

// instead says what is there in the place of what the condition asks for; empty:
// it holds.
func (c *Condition) instead(o *unstructured.Unstructured, text []byte) string {
	labels := o.GetLabels()
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		switch got, ok := labels[name]; {
		case !ok:
			return "label " + name + " is absent"
		case got != c.Labels[name]:
			return fmt.Sprintf("label %s is %q", name, got)
		}
	}
	if c.Path == "" {
		if len(c.Labels) > 0 {
			return ""
		}
		return "nothing is asked for"
	}
	found := gjson.GetBytes(text, c.Path)
	switch {
	case !found.Exists():
		return "it is absent"
	case len(c.Values) > 0 && slices.Contains(c.Values, textOf(found)),
		len(c.Values) == 0 && found.Type != gjson.Null && found.Type != gjson.False && textOf(found) != "":
		return ""
	case isSecret(o):
		return "it is something else"
	}
	return "it is " + shown(found)
}

// maxFound bounds what an error shows of a value.
const maxFound = 100

// shown returns a value's JSON, as an error text shows it.
func shown(r gjson.Result) string {
	if len(r.Raw) > maxFound {
		return strings.ToValidUTF8(r.Raw[:maxFound], "") + "…"
	}
	return r.Raw
}

func textOf(r gjson.Result) string {
	if r.Type == gjson.String {
		return r.Str
	}
	return r.Raw
}

// String returns the condition as an error text shows it.
func (c *Condition) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		parts = append(parts, fmt.Sprintf("label %s is %q", name, c.Labels[name]))
	}
	switch {
	case c.Path != "" && len(c.Values) > 0:
		parts = append(parts, fmt.Sprintf("%s is %s", c.Path, strings.Join(c.Values, " or ")))
	case c.Path != "":
		parts = append(parts, c.Path+" is set")
	}
	return strings.Join(parts, " and ")
}

// wait waits until Wait is fulfilled.
func (t *Trigger) wait(ctx context.Context, o *unstructured.Unstructured) error {
	bounded, cancel := context.WithTimeout(ctx, t.Wait.For)
	defer cancel()
	var missing string
	_, err := t.Client.Wait(bounded, o, func(o *unstructured.Unstructured) (done bool, err error) {
		missing, err = t.Wait.judge(o)
		return err == nil && missing == "", err
	})
	if err == nil || ctx.Err() != nil || bounded.Err() == nil || hearken.IsPermanent(err) {
		return err
	}
	if missing == "" {
		// Said, not wrapped: it is not the attempt's context that has ended.
		return fmt.Errorf("wait for %s, which could not be seen within %v: %s", describe(o), t.Wait.For, err.Error())
	}
	return hearken.Permanent(fmt.Errorf("wait for %s: after %v it is not so that %s", describe(o), t.Wait.For, missing))
}

// observedGeneration returns which generation of o its controller has seen, if it
// says so. Argo Rollouts says it as text.
func observedGeneration(o *unstructured.Unstructured) (seen int64, ok bool) {
	v, _, _ := unstructured.NestedFieldNoCopy(o.Object, "status", "observedGeneration") // a status that is no object has none
	switch v := v.(type) {
	case int64:
		return v, true
	case string:
		seen, err := strconv.ParseInt(v, 10, 64)
		return seen, err == nil
	}
	return 0, false
}

// judge returns what does not hold yet, or an error for what must not hold.
func (p *Policy) judge(o *unstructured.Unstructured) (missing string, err error) {
	if seen, ok := observedGeneration(o); ok && seen < o.GetGeneration() {
		return fmt.Sprintf("status.observedGeneration is %d: it is %d", o.GetGeneration(), seen), nil
	}
	text, err := json.Marshal(o.Object)
	if err != nil {
		return "", err
	}
	for i := range p.Fail {
		if c := &p.Fail[i]; c.holds(o, text) {
			return "", hearken.Permanent(fmt.Errorf("it has failed: %v", c))
		}
	}
	for i := range p.Until {
		c := &p.Until[i]
		if there := c.instead(o, text); there != "" {
			return c.String() + ": " + there, nil
		}
	}
	return "", nil
}
