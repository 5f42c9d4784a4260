package params

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// PutFiring returns a JSON object with a firing's ID put in at path, for a trigger
// whose protocol has no other place for an idempotency key, in a field of the
// trigger that is named FiringPath. What stands at path is replaced; what is no
// object on the way there is not, which is an error, and so is a name on the way
// that stands there twice, of which a reader might take the other one. The object
// given is not changed. path is one that IsFiringPath takes.
func PutFiring(object []byte, path, id string) ([]byte, error) {
	if !gjson.ValidBytes(object) || !gjson.ParseBytes(object).IsObject() {
		return nil, fmt.Errorf("is no JSON object that the firing's ID could be put into at %s (FiringPath)", path)
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if to := gjson.GetBytes(object, path[:i]); to.Exists() && !to.IsObject() {
			return nil, fmt.Errorf("%s is no object that the firing's ID could be put into (FiringPath)", path[:i])
		}
	}
	with, err := sjson.SetBytes(object, path, id)
	if err == nil && !holds(with, path, id) {
		err = fmt.Errorf("holds %s twice (FiringPath)", path)
	}
	return with, err
}

// holds reports whether id is found at path by readers that take the first of
// two equal names, and by those that take the last.
func holds(object []byte, path, id string) bool {
	if gjson.GetBytes(object, path).Str != id {
		return false
	}
	for name := range strings.SplitSeq(path, ".") {
		var members map[string]json.RawMessage
		if json.Unmarshal(object, &members) != nil {
			return false
		}
		object = members[name]
	}
	return string(object) == `"`+id+`"`
}

// IsFiringPath reports whether PutFiring takes path: names with dots between them,
// such as "meta.firing", of letters, digits, "-" and "_", and no indices.
func IsFiringPath(path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		if strings.Trim(name, "-0123456789") == "" || strings.ContainsFunc(name, func(c rune) bool { return !isName(c) }) {
			return false
		}
	}
	return true
}

func isName(c rune) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
