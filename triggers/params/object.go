package params

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/hearken-go/hearken"
	"github.com/tidwall/gjson"
)

// Object is a payload that is a JSON object, its keys in order. An entry is a
// Value; an Object, map[string]any or []any of such entries; or a constant,
// which is marshalled by encoding/json. It must not be changed once in use.
//
//	params.Object{"text": params.Data(hook, "body.message"), "tags": []any{"hook", params.Context(hook, "type")}}
type Object map[string]any

// Payload implements hearken.Payload.
func (o Object) Payload(f hearken.Firing) ([]byte, error) {
	buf, err := appendObject(make([]byte, 0, 256), f, o)
	return buf, permanent(err)
}

// Reads implements hearken.Reader. Paths are such as `["message"]`.
func (o Object) Reads() []hearken.Read { return readsOf("", o) }

// Validate implements hearken.Validator.
func (o Object) Validate() error { return validate("", o) }

func appendAny(buf []byte, f hearken.Firing, v any) ([]byte, error) {
	switch v := v.(type) {
	case Value:
		r, err := v.resolve(f)
		if err != nil {
			return nil, err
		}
		return r.appendJSON(buf)
	case Object:
		return appendObject(buf, f, v)
	case map[string]any:
		return appendObject(buf, f, v)
	case []any:
		return appendArray(buf, f, v)
	case string:
		return gjson.AppendJSONString(buf, v), nil
	case int:
		return strconv.AppendInt(buf, int64(v), 10), nil
	}
	r, err := marshalled(v)
	return append(buf, r.json...), err
}

func appendObject(buf []byte, f hearken.Firing, o Object) ([]byte, error) {
	var err error
	var space [16]string // no allocation for an object of the usual size
	buf = append(buf, '{')
	for i, key := range sortedKeys(space[:0], o) {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(gjson.AppendJSONString(buf, key), ':')
		if buf, err = appendAny(buf, f, o[key]); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
	}
	return append(buf, '}'), nil
}

func sortedKeys(keys []string, o Object) []string {
	for key := range o {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func appendArray(buf []byte, f hearken.Firing, list []any) ([]byte, error) {
	var err error
	buf = append(buf, '[')
	for i, item := range list {
		if i > 0 {
			buf = append(buf, ',')
		}
		if buf, err = appendAny(buf, f, item); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return append(buf, ']'), nil
}

// valueOf makes a Value of what an Object may hold.
func valueOf(v any) Value {
	switch v := v.(type) {
	case Value:
		return v
	case Object, map[string]any, []any:
		return Value{tree{v}}
	default:
		return Const(v)
	}
}

// tree is an object or array of values that is a value itself.
type tree struct{ root any }

func (t tree) resolve(f hearken.Firing) (result, error) {
	buf, err := appendAny(nil, f, t.root)
	if err != nil {
		return result{}, err
	}
	return result{json: string(buf), text: string(buf)}, nil
}

func (t tree) reads(place string) []hearken.Read { return readsOf(place, t.root) }

func (t tree) mistake() string {
	if err := validate("", t.root); err != nil {
		return err.Error()
	}
	return ""
}

// leaves calls visit for each value and constant below v, in order.
func leaves(place string, v any, visit func(place string, v any)) {
	switch v := v.(type) {
	case Object:
		for _, key := range sortedKeys(nil, v) {
			leaves(fmt.Sprintf("%s[%q]", place, key), v[key], visit)
		}
	case map[string]any:
		leaves(place, Object(v), visit)
	case []any:
		for i, item := range v {
			leaves(fmt.Sprintf("%s[%d]", place, i), item, visit)
		}
	default:
		visit(place, v)
	}
}

func readsOf(place string, root any) (reads []hearken.Read) {
	leaves(place, root, func(place string, v any) {
		if v, ok := v.(Value); ok {
			reads = append(reads, v.reads(place)...)
		}
	})
	return reads
}

func validate(place string, root any) error {
	var errs []error
	leaves(place, root, func(place string, v any) {
		if msg := valueOf(v).mistake(); msg != "" {
			errs = append(errs, &hearken.ConfigError{Path: place, Msg: msg})
		}
	})
	return errors.Join(errs...)
}
