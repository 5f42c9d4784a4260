package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/hearken-go/hearken"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// builder makes events of objects.
type builder struct {
	selecting bool // by labels: an object may be added and deleted again and again
	oldBody   bool
	tail      []byte // of the data: what all events share
}

func newBuilder(s *Source, gvr schema.GroupVersionResource) (*builder, error) {
	shared := struct {
		Group    string            `json:"group"`
		Version  string            `json:"version"`
		Resource string            `json:"resource"`
		Metadata map[string]string `json:"metadata,omitempty"`
	}{gvr.Group, gvr.Version, gvr.Resource, s.Metadata}
	tail, err := json.Marshal(shared)
	if err != nil {
		return nil, err
	}
	return &builder{selecting: s.Labels != "", oldBody: s.OldBody, tail: tail[1:]}, nil
}

// happening is what an event tells.
type happening struct {
	typ                Type
	uid                string
	version            string
	at                 time.Time // zero: now
	body               []byte
	old                []byte // nil: not known
	partial, truncated bool
}

func (b *builder) event(h happening) (hearken.Event, error) {
	e, err := hearken.NewEvent("resource", b.id(h), b.data(h))
	if err == nil && !h.at.IsZero() {
		e.SetTime(h.at)
	}
	return e, err
}

// id names the happening, for every replica alike.
func (b *builder) id(h happening) string {
	if h.typ == Update || b.selecting {
		return h.uid + "/" + string(h.typ) + "/" + h.version
	}
	return h.uid + "/" + string(h.typ)
}

func (b *builder) data(h happening) []byte {
	const room = len(`{"type":"UPDATE","body":,"oldBody":null,"partial":true,"truncated":true,`)
	d := make([]byte, 0, room+len(h.body)+len(h.old)+len(b.tail))
	d = fmt.Appendf(d, `{"type":"%s","body":`, h.typ)
	d = append(d, h.body...)
	switch {
	case !b.oldBody || h.typ != Update || h.truncated:
	case h.old == nil:
		d = append(d, `,"oldBody":null`...)
	default:
		d = append(append(d, `,"oldBody":`...), h.old...)
	}
	if h.partial {
		d = append(d, `,"partial":true`...)
	}
	if h.truncated {
		d = append(d, `,"truncated":true`...)
	}
	return append(append(d, ','), b.tail...)
}

// buffers spares each body the growth of a buffer.
type buffers struct{ pool sync.Pool }

// encode calls use with the JSON of v, which is gone when use returns.
func (p *buffers) encode(v any, use func(body []byte) error) error {
	buf, ok := p.pool.Get().(*bytes.Buffer)
	if !ok {
		buf = new(bytes.Buffer)
	}
	buf.Reset()
	defer p.pool.Put(buf)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	return use(bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}))
}

// bare is of an object what an event tells when the whole is too large for the
// bus.
func bare(obj *unstructured.Unstructured) map[string]any {
	return map[string]any{"apiVersion": obj.GetAPIVersion(), "kind": obj.GetKind(), "metadata": obj.Object["metadata"]}
}

// remains is what is left to tell of an object that is not there any more.
func remains(gvk schema.GroupVersionKind, uid, namespace, name, version string) map[string]any {
	metadata := map[string]any{"name": name, "uid": uid, "resourceVersion": version}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	body := map[string]any{"apiVersion": gvk.GroupVersion().String(), "metadata": metadata}
	if gvk.Kind != "" {
		body["kind"] = gvk.Kind
	}
	return body
}

const (
	hidden      = "***"
	lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

// hideSecret takes out of a Secret what is secret. It says what there was.
func hideSecret(obj map[string]any) {
	for _, field := range []string{"data", "stringData"} {
		if values, ok := obj[field].(map[string]any); ok {
			for name := range values {
				values[name] = hidden
			}
		} else if obj[field] != nil {
			obj[field] = hidden
		}
	}
	metadata, _ := obj["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations[lastApplied] != nil {
		annotations[lastApplied] = hidden
	}
}

// stripManaged takes out metadata.managedFields, which is for the API server, and
// returns when the last of them was written, and how many there were.
func stripManaged(obj map[string]any) (last time.Time, n int) {
	metadata, _ := obj["metadata"].(map[string]any)
	fields, _ := metadata["managedFields"].([]any)
	for _, f := range fields {
		f, _ := f.(map[string]any)
		text, _ := f["time"].(string)
		if t, err := time.Parse(time.RFC3339, text); err == nil && t.After(last) {
			last = t
		}
	}
	delete(metadata, "managedFields")
	return last, len(fields)
}

// touched reports whether an object was, or may have been, changed after it was
// created, and that so lately that its ADD, should somebody have emitted it before,
// may be one that the bus still recognises. One without managedFields does not say.
func touched(obj *unstructured.Unstructured, managed time.Time, managers int, now time.Time) bool {
	created := obj.GetCreationTimestamp().Time
	switch {
	case managed.IsZero():
		return true
	case now.Sub(managed) > recent:
		return false
	}
	return managed.After(created) || managers > 1 || obj.GetGeneration() > 1
}

// recent is longer than a bus recognises an event, and clocks differ.
const recent = 15 * time.Minute
