package resource

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
)

// identity names what is watched, in which cluster: what is known of one is not
// to be taken for what is known of another. The version is no part of it: an
// object is the same in all.
func (s *Source) identity(cluster string, gr schema.GroupResource) (string, error) {
	selector, err := canonical(s.Labels)
	if err != nil {
		return "", err
	}
	namespaces := slices.Clone(s.Namespaces)
	slices.Sort(namespaces)
	text, err := json.Marshal([]any{
		cluster, gr.Group, gr.Resource, namespaces, selector, s.NamePrefix, s.Fields, s.CreatedBy.UTC(),
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:10]), nil
}

// canonical returns the requirements of a selector, however they are written.
func canonical(selector string) ([]string, error) {
	parsed, err := labels.Parse(selector)
	if err != nil {
		return nil, err
	}
	requirements, _ := parsed.Requirements()
	var texts []string
	for _, r := range requirements {
		text := r.String()
		if r.Operator() == selection.DoubleEquals {
			text = strings.Replace(text, "==", "=", 1)
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts, nil
}
