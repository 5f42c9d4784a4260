package argo

// object is the JSON of an object.
type object map[string]any

// at returns what stands at a path, or nil.
func (o object) at(path ...string) any {
	var v any = map[string]any(o)
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func (o object) text(path ...string) string {
	s, _ := o.at(path...).(string) // what is no string is none
	return s
}

func (o object) is(path ...string) bool {
	b, _ := o.at(path...).(bool) // what is no bool is false
	return b
}

func (o object) number(path ...string) int {
	n, _ := o.at(path...).(float64) // what is no number is 0
	return int(n)
}

// list returns the objects of a list.
func (o object) list(path ...string) []object {
	items, _ := o.at(path...).([]any) // what is no list is empty
	list := make([]object, len(items))
	for i, item := range items {
		list[i], _ = item.(map[string]any)
	}
	return list
}
