package eventbridgetrigger

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// withFiring puts a firing's ID into a detail, and nothing in the place of what
// is no object.
func withFiring(detail []byte, path, id string) ([]byte, error) {
	if !gjson.ValidBytes(detail) || !gjson.ParseBytes(detail).IsObject() {
		return nil, errors.New("is no JSON object, which an event's detail is")
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if to := gjson.GetBytes(detail, path[:i]); to.Exists() && !to.IsObject() {
			return nil, fmt.Errorf("%s is no object that the firing's ID could be put into (FiringPath)", path[:i])
		}
	}
	with, err := sjson.SetBytes(detail, path, id)
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

// isPath reports whether s is a path of FiringPath: names that mean the same to
// gjson and sjson, and no indices.
func isPath(s string) bool {
	for name := range strings.SplitSeq(s, ".") {
		if strings.Trim(name, "-0123456789") == "" || strings.ContainsFunc(name, func(c rune) bool { return !isName(c) }) {
			return false
		}
	}
	return true
}

func isName(c rune) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
