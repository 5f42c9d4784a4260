package k8s

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
	"github.com/tidwall/gjson"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Manifest is an object in YAML or JSON, with values put in. It is used by
// pointer, and its fields must not be changed once in use.
//
//	&k8s.Manifest{Text: job, Params: []params.Param{
//		{Dest: "spec.template.spec.containers.0.env.0.value", Value: params.Data(push, "body.ref")},
//	}}
//
// Values are put in as JSON, so that none can become anything but a value.
type Manifest struct {
	// Text is one object. Required.
	Text string
	// Params are put in, in order. A dot of a key, as annotations and labels mostly
	// have one, is written `\.`: `metadata.annotations.example\.com/commit`.
	Params []params.Param

	once     sync.Once
	template *params.Template
	err      error // what is wrong with Text
}

// Payload implements hearken.Payload.
func (m *Manifest) Payload(f hearken.Firing) ([]byte, error) {
	if m.once.Do(m.parse); m.err != nil {
		return nil, hearken.Permanent(m.err)
	}
	return m.template.Payload(f)
}

// Reads implements hearken.Reader. Paths are such as `Params[0].Value`.
func (m *Manifest) Reads() []hearken.Read {
	return (&params.Template{Params: m.Params}).Reads()
}

// Validate implements hearken.Validator: it finds a Text that is no object, or
// lacks what neither it nor Params provide, and what is wrong with Params.
func (m *Manifest) Validate() error {
	if m.once.Do(m.parse); m.err != nil {
		return m.err
	}
	errs := []error{m.template.Validate()}
	for _, required := range []string{"apiVersion", "kind"} {
		if !m.has(required) {
			errs = append(errs, textError("has no "+required))
		}
	}
	if !m.has("metadata.name") && !m.has("metadata.generateName") {
		errs = append(errs, textError("has neither a metadata.name nor a metadata.generateName"))
	}
	for i, p := range m.Params {
		if belowText.MatchString(p.Dest) {
			errs = append(errs, &hearken.ConfigError{Path: fmt.Sprintf("Params[%d].Dest", i), Msg: fmt.Sprintf(
				`destination %q leads below a label or annotation, which is text; write a dot of its name as \.`, p.Dest)})
		}
	}
	return errors.Join(append(errs, m.checkFixed()...)...)
}

// Kind returns what Text says, for Validate of what takes objects of one kind. It
// is empty where a parameter says it, or Text has a mistake.
func (m *Manifest) Kind() schema.GroupVersionKind {
	if m.once.Do(m.parse); m.err != nil || m.provided("apiVersion") || m.provided("kind") {
		return schema.GroupVersionKind{}
	}
	o := &unstructured.Unstructured{}
	if err := json.Unmarshal(m.template.JSON, &o.Object); err != nil {
		return schema.GroupVersionKind{}
	}
	kind, err := kindOf(o)
	if err != nil {
		return schema.GroupVersionKind{}
	}
	return kind
}

// belowText matches destinations that go on after the name of a label or
// annotation: what was meant to be its name was taken for two.
var belowText = regexp.MustCompile(`^(spec\.template\.)?metadata\.(labels|annotations)\.([^.\\]|\\.)*\.`)

// has says that a field is there; a key without a value, null in YAML, is not.
func (m *Manifest) has(field string) bool {
	return m.provided(field) || gjson.GetBytes(m.template.JSON, field).Type != gjson.Null
}

// isNameless says that there is a generateName instead.
func (m *Manifest) isNameless() bool {
	m.once.Do(m.parse)
	return m.err == nil && m.has("metadata.generateName") && !m.has("metadata.name")
}

// provided says that a parameter has the last word on a field.
func (m *Manifest) provided(field string) bool {
	return slices.ContainsFunc(m.Params, func(p params.Param) bool {
		return p.Dest == field || strings.HasPrefix(field, p.Dest+".")
	})
}

// checkFixed finds what is wrong with the fields that no parameter changes.
func (m *Manifest) checkFixed() []error {
	o := &unstructured.Unstructured{}
	if err := json.Unmarshal(m.template.JSON, &o.Object); err != nil {
		return []error{textError(err.Error())}
	}
	if m.provided("metadata") {
		delete(o.Object, "metadata")
	}
	errs := m.checkNames(o)
	if _, err := versionOf(o); err != nil && o.GetAPIVersion() != "" {
		errs = append(errs, err)
	}
	if _, is := o.Object["metadata"].(map[string]any); !is && o.Object["metadata"] != nil {
		errs = append(errs, errors.New("metadata is no object"))
	} else {
		m.dropProvidedTexts(o)
		errs = append(append(errs, unmarkable(o)...), wrongPath(o)...)
	}
	for i, err := range errs {
		errs[i] = textError(err.Error())
	}
	return errs
}

// checkNames finds what names the object and is no text, and takes away what is
// not to be judged any more.
func (m *Manifest) checkNames(o *unstructured.Unstructured) (errs []error) {
	for _, field := range []string{"apiVersion", "kind", "metadata.name", "metadata.generateName", "metadata.namespace"} {
		path := strings.Split(field, ".")
		v, ok, err := unstructured.NestedFieldNoCopy(o.Object, path...)
		if _, is := v.(string); is && !m.provided(field) {
			continue
		}
		unstructured.RemoveNestedField(o.Object, path...)
		switch {
		case !ok || err != nil || m.provided(field):
		case v != nil:
			errs = append(errs, fmt.Errorf("%s is no string; in YAML put it in quotes", field))
		case len(path) > 1: // a type without a value is told to be missing
			errs = append(errs, fmt.Errorf("%s has no value; leave it out, or give it one", field))
		}
	}
	return errs
}

// dropProvidedTexts takes away the labels and annotations that a parameter has the
// last word on, and those that are null, for a merge patch.
func (m *Manifest) dropProvidedTexts(o *unstructured.Unstructured) {
	for _, field := range []string{"metadata.labels", "metadata.annotations"} {
		path := strings.Split(field, ".")
		texts, _, err := unstructured.NestedFieldNoCopy(o.Object, path...)
		if m.provided(field) || err != nil {
			unstructured.RemoveNestedField(o.Object, path...)
		} else if texts, ok := texts.(map[string]any); ok {
			maps.DeleteFunc(texts, func(name string, v any) bool {
				return v == nil || m.provided(field+"."+strings.ReplaceAll(name, ".", `\.`))
			})
		}
	}
}

func textError(msg string) error { return &hearken.ConfigError{Path: "Text", Msg: msg} }

func (m *Manifest) parse() {
	text, err := single(m.Text)
	switch {
	case err != nil:
		m.err = textError(err.Error())
	case !gjson.ParseBytes(text).IsObject():
		m.err = textError("is no object")
	default:
		m.template = &params.Template{JSON: text, Params: m.Params}
	}
}

// single returns the only document of a YAML text that is not empty, as JSON.
func single(text string) ([]byte, error) {
	var found []byte
	r := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		doc, err = yaml.YAMLToJSONStrict(doc)
		switch {
		case err != nil:
			return nil, fmt.Errorf("is neither YAML nor JSON: %w", err)
		case string(doc) == "null":
		case found != nil:
			return nil, errors.New("holds several documents; an action acts on one object, so make an action of each")
		default:
			found = doc
		}
	}
}
