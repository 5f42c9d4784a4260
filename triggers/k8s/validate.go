package k8s

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hearken-go/hearken"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Validate finds all mistakes in the fields, and those of Object and Patch.
func (t *Trigger) Validate() error {
	var m mistakes
	if t.Client == nil {
		m.add("Client", "is nil; it says how to reach the API server")
	} else {
		m.below("Client", t.Client.Validate())
	}
	if t.Operation > Delete {
		m.add("Operation", "there is no %v", t.Operation)
	}
	if t.Object == nil {
		m.add("Object", "is nil; it says which object is meant")
	}
	m.payload("Object", t.Object)
	m.payload("Patch", t.Patch)
	t.validateByOperation(&m)
	t.validateWait(&m)
	return errors.Join(m...)
}

// Reads returns what Object and Patch read, where they say so.
func (t *Trigger) Reads() []hearken.Read {
	return append(readsOf("Object", t.Object), readsOf("Patch", t.Patch)...)
}

func readsOf(path string, p hearken.Payload) []hearken.Read {
	r, ok := p.(hearken.Reader)
	if !ok {
		return nil
	}
	reads := slices.Clone(r.Reads())
	for i := range reads {
		reads[i].Path = below(path, reads[i].Path)
	}
	return reads
}

// validateByOperation finds fields that the operation needs, or has no use for.
func (t *Trigger) validateByOperation(m *mistakes) {
	patches := slices.Contains([]Operation{MergePatch, StrategicMergePatch, JSONPatch}, t.Operation)
	creates := slices.Contains([]Operation{Create, CreateIfAbsent, Merge}, t.Operation)
	if t.Operation == Update && t.Change == nil {
		m.add("Change", "is nil; it is what Update does to the object")
	}
	if t.Operation == JSONPatch && t.Patch == nil {
		m.add("Patch", "is nil; a JSON patch is no object, so Object cannot be it")
	}
	m.only("Change", t.Change != nil, t.Operation == Update, "Update")
	m.only("Patch", t.Patch != nil, patches, "MergePatch, StrategicMergePatch and JSONPatch; others act by Object")
	m.only("Subresource", t.Subresource != "", patches || t.Operation == Update || t.Operation == Apply, "Update, Apply and patches")
	m.only("Force", t.Force, t.Operation == Apply, "Apply")
	m.only("Propagation", t.Propagation != "", t.Operation == Delete, "Delete")
	m.only("MaxName", t.MaxName != 0, creates, "Create, CreateIfAbsent and Merge, which make names")
	m.only("Wait", t.Wait.isSet(), t.Operation != Delete, "operations that leave an object")

	if t.Subresource != "" && len(validation.IsDNS1123Label(t.Subresource)) > 0 {
		m.add("Subresource", "%q is none; say status or scale", t.Subresource)
	}
	if t.MaxName != 0 && (t.MaxName < minMaxName || t.MaxName > validation.DNS1123SubdomainMaxLength) {
		m.add("MaxName", "is %d; it must be %d to %d, or zero for %d", t.MaxName, minMaxName, validation.DNS1123SubdomainMaxLength, defaultMaxName)
	}
	switch t.Propagation {
	case "", metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan:
	default:
		m.add("Propagation", "%q is none; say Background, Foreground or Orphan", t.Propagation)
	}
	if len(t.FieldManager) > maxFieldManager || strings.ContainsFunc(t.FieldManager, func(r rune) bool { return !unicode.IsPrint(r) }) {
		m.add("FieldManager", "is longer than %d bytes, or not printable", maxFieldManager)
	}
}

func (t *Trigger) validateWait(m *mistakes) {
	switch {
	case t.Wait.For < 0:
		m.add("Wait.For", "is %v; a wait takes time", t.Wait.For)
	case t.Wait.isSet() && t.Wait.For == 0:
		m.add("Wait.For", "is zero; say how long it may take until the conditions of Until hold")
	case !t.Wait.isSet() && (t.Wait.For > 0 || len(t.Wait.Fail) > 0):
		m.add("Wait.Until", "is empty; say what is waited for")
	}
	for i, c := range t.Wait.Until {
		m.condition(fmt.Sprintf("Wait.Until[%d]", i), c)
	}
	for i, c := range t.Wait.Fail {
		m.condition(fmt.Sprintf("Wait.Fail[%d]", i), c)
	}
}

type mistakes []error

func (m *mistakes) add(path, format string, args ...any) {
	*m = append(*m, &hearken.ConfigError{Path: path, Msg: fmt.Sprintf(format, args...)})
}

// only reports a field that is set though the operation does not use it.
func (m *mistakes) only(path string, set, used bool, with string) {
	if set && !used {
		m.add(path, "is for %s", with)
	}
}

func (m *mistakes) condition(path string, c Condition) {
	if len(c.Labels) == 0 && c.Path == "" {
		m.add(path, "has neither Labels nor a Path")
	}
	if len(c.Values) > 0 && c.Path == "" {
		m.add(path+".Values", "is set without a Path")
	}
}

func (m *mistakes) payload(path string, p hearken.Payload) {
	if v, ok := p.(hearken.Validator); ok {
		m.below(path, v.Validate())
	}
}

// below adds the errors that err joins, each with its place below path.
func (m *mistakes) below(path string, err error) {
	var config *hearken.ConfigError
	joined, ok := err.(interface{ Unwrap() []error })
	switch {
	case err == nil:
	case ok:
		for _, e := range joined.Unwrap() {
			m.below(path, e)
		}
	case errors.As(err, &config):
		m.add(below(path, config.Path), "%s", config.Msg)
	default:
		m.add(path, "%v", err)
	}
}

func below(path, sub string) string {
	if sub == "" || strings.HasPrefix(sub, "[") {
		return path + sub
	}
	return path + "." + sub
}
