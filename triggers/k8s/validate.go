package k8s

import (
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
		m.Add("Client", "is nil; it says how to reach the API server")
	} else {
		m.AddErr("Client", t.Client.Validate())
	}
	if t.Operation > Delete {
		m.Add("Operation", "there is no %v", t.Operation)
	}
	if t.Object == nil {
		m.Add("Object", "is nil; it says which object is meant")
	}
	m.Ask("Object", t.Object)
	if text, ok := t.Object.(*Manifest); ok && text != nil && t.Operation <= Delete && !t.creates() && text.isNameless() {
		m.Add("Object.Text", "has no metadata.name, which would say what to %v", t.Operation)
	}
	m.Ask("Patch", t.Patch)
	t.validateByOperation(&m)
	t.validateValues(&m)
	t.validateWait(&m)
	return m.Err()
}

// Reads returns what Object and Patch read, where they say so.
func (t *Trigger) Reads() []hearken.Read {
	return append(hearken.ReadsAt("Object", t.Object), hearken.ReadsAt("Patch", t.Patch)...)
}

// validateByOperation finds fields that the operation needs, or has no use for.
func (t *Trigger) validateByOperation(m *mistakes) {
	patches := slices.Contains([]Operation{MergePatch, StrategicMergePatch, JSONPatch}, t.Operation)
	if t.Operation == Update && t.Change == nil {
		m.Add("Change", "is nil; it is what Update does to the object")
	}
	if t.Operation == JSONPatch && t.Patch == nil {
		m.Add("Patch", "is nil; a JSON patch is no object, so Object cannot be it")
	}
	m.only("Change", t.Change != nil, t.Operation == Update, "Update")
	m.only("Patch", t.Patch != nil, patches, "MergePatch, StrategicMergePatch and JSONPatch; others act by Object")
	m.only("Subresource", t.Subresource != "", patches || t.Operation == Update || t.Operation == Apply, "Update, Apply and patches")
	m.only("FieldValidation", t.FieldValidation != "", t.Operation != Delete && t.Operation != Apply, "Create, CreateIfAbsent, Update, Merge and patches; Apply takes no unknown field")
	m.only("Force", t.Force, t.Operation == Apply, "Apply")
	m.only("Propagation", t.Propagation != "", t.Operation == Delete, "Delete")
	m.only("MaxName", t.MaxName != 0, t.creates(), "Create, CreateIfAbsent and Merge, which make names")
	m.only("Wait", t.Wait.isSet(), t.Operation != Delete, "operations that leave an object")
}

// validateValues finds values that their fields cannot have.
func (t *Trigger) validateValues(m *mistakes) {
	if t.Subresource != "" && len(validation.IsDNS1123Label(t.Subresource)) > 0 {
		m.Add("Subresource", "%q is none; say status or scale", t.Subresource)
	}
	if t.MaxName != 0 && (t.MaxName < minMaxName || t.MaxName > validation.DNS1123SubdomainMaxLength) {
		m.Add("MaxName", "is %d; it must be %d to %d, or zero for %d", t.MaxName, minMaxName, validation.DNS1123SubdomainMaxLength, defaultMaxName)
	}
	switch t.Propagation {
	case "", metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan:
	default:
		m.Add("Propagation", "%q is none; say Background, Foreground or Orphan", t.Propagation)
	}
	switch t.FieldValidation {
	case "", metav1.FieldValidationStrict, metav1.FieldValidationWarn, metav1.FieldValidationIgnore:
	default:
		m.Add("FieldValidation", "%q is none; say Strict, Warn or Ignore", t.FieldValidation)
	}
	if len(t.FieldManager) > maxFieldManager || strings.ContainsFunc(t.FieldManager, func(r rune) bool { return !unicode.IsPrint(r) }) {
		m.Add("FieldManager", "is longer than %d bytes, or not printable", maxFieldManager)
	}
}

func (t *Trigger) validateWait(m *mistakes) {
	switch {
	case t.Wait.For < 0:
		m.Add("Wait.For", "is %v; a wait takes time", t.Wait.For)
	case t.Wait.isSet() && t.Wait.For == 0:
		m.Add("Wait.For", "is zero; say how long it may take until the conditions of Until hold")
	case !t.Wait.isSet() && (t.Wait.For > 0 || len(t.Wait.Fail) > 0):
		m.Add("Wait.Until", "is empty; say what is waited for")
	}
	for i, c := range t.Wait.Until {
		m.condition(fmt.Sprintf("Wait.Until[%d]", i), c)
	}
	for i, c := range t.Wait.Fail {
		m.condition(fmt.Sprintf("Wait.Fail[%d]", i), c)
	}
}

// only reports a field that is set though the operation does not use it.
type mistakes struct{ hearken.Mistakes }

func (m *mistakes) only(path string, set, used bool, with string) {
	if set && !used {
		m.Add(path, "is for %s", with)
	}
}

func (m *mistakes) condition(path string, c Condition) {
	if len(c.Labels) == 0 && c.Path == "" {
		m.Add(path, "has neither Labels nor a Path")
	}
	if len(c.Values) > 0 && c.Path == "" {
		m.Add(path+".Values", "is set without a Path")
	}
}
