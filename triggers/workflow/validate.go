package workflow

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
)

// mistakes collects what Validate finds.
type mistakes []error

func (m *mistakes) add(path, format string, args ...any) {
	*m = append(*m, &hearken.ConfigError{Path: path, Msg: fmt.Sprintf(format, args...)})
}

// ask adds what a field has to say of itself.
func (m *mistakes) ask(path string, part any) {
	v, ok := part.(hearken.Validator)
	if !ok {
		return
	}
	if r := reflect.ValueOf(part); r.Kind() == reflect.Pointer && r.IsNil() {
		m.add(path, "is a nil %T", part)
		return
	}
	m.below(path, v.Validate())
}

func (m *mistakes) below(path string, err error) {
	if err == nil {
		return
	}
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range list.Unwrap() {
			m.below(path, e)
		}
		return
	}
	if c, ok := err.(*hearken.ConfigError); ok { //nolint:errorlint // what wraps it says more
		m.add(within(path, c.Path), "%s", c.Msg)
		return
	}
	m.add(path, "%v", err)
}

func within(path, sub string) string {
	if sub == "" || strings.HasPrefix(sub, "[") {
		return path + sub
	}
	return path + "." + sub
}

func (m *mistakes) client(c *k8s.Client) {
	if c == nil {
		m.add("Client", "is nil; give a *k8s.Client, which several triggers can share")
		return
	}
	m.ask("Client", c)
}

func (m *mistakes) name(name params.Value) {
	if name == (params.Value{}) {
		m.add("Name", "is empty; say which one by params.Const or a value of the firing")
		return
	}
	m.ask("Name", name)
}

// fixed checks a name that is the same in each firing.
func (m *mistakes) fixed(path, name string) {
	if name == "" {
		return
	}
	if bad := validation.IsDNS1123Subdomain(name); bad != nil {
		m.add(path, "%q is no name: %s", name, strings.Join(bad, "; "))
	}
}

func (m *mistakes) namespace(namespace string) {
	if namespace == "" {
		return
	}
	if bad := validation.IsDNS1123Label(namespace); bad != nil {
		m.add("Namespace", "%q is no namespace: %s", namespace, strings.Join(bad, "; "))
	}
}

func (m *mistakes) labels(path string, labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if bad := validation.IsQualifiedName(key); bad != nil {
			m.add(fmt.Sprintf("%s[%q]", path, key), "is no name of a label: %s", strings.Join(bad, "; "))
		}
		m.labelValue(fmt.Sprintf("%s[%q]", path, key), labels[key])
	}
}

func (m *mistakes) labelValue(path, value string) {
	if bad := validation.IsValidLabelValue(value); bad != nil {
		m.add(path, "%q is no value of a label: %s", value, strings.Join(bad, "; "))
	}
}

// Validate finds all mistakes in the fields.
func (s *Submit) Validate() error {
	var m mistakes
	m.client(s.Client)
	s.validateOrigin(&m)
	m.namespace(s.Namespace)
	m.ask("Arguments", s.Arguments)
	m.labelValue("InstanceID", s.InstanceID)
	m.labels("Labels", s.Labels)
	if s.Wait < 0 {
		m.add("Wait", "is negative; zero does not wait")
	}
	switch {
	case s.Resubmit < 0:
		m.add("Resubmit", "is negative; zero never submits again")
	case s.Resubmit > 0 && s.Wait <= 0:
		m.add("Resubmit", "takes Wait: what is not waited for is not seen to fail")
	}
	return errors.Join(m...)
}

func (s *Submit) validateOrigin(m *mistakes) {
	var set []string
	if s.Manifest != nil {
		set = append(set, "Manifest")
		m.ask("Manifest", s.Manifest)
	}
	for _, o := range []struct{ field, name string }{
		{"WorkflowTemplate", s.WorkflowTemplate},
		{"ClusterWorkflowTemplate", s.ClusterWorkflowTemplate},
		{"CronWorkflow", s.CronWorkflow},
	} {
		if o.name != "" {
			set = append(set, o.field)
		}
		m.fixed(o.field, o.name)
	}
	switch len(set) {
	case 0:
		m.add("Manifest", "is nil; set it, WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow")
	case 1:
	default:
		m.add(set[1], "is set beside %s; a Workflow is made from one of them", set[0])
	}
}

// Reads returns what the Manifest and the Arguments read. What Edit reads is not
// known.
func (s *Submit) Reads() []hearken.Read {
	return append(readsOf("Manifest", s.Manifest), readsOf("Arguments", s.Arguments)...)
}

func readsOf(path string, part any) []hearken.Read {
	r, ok := part.(hearken.Reader)
	if !ok {
		return nil
	}
	reads := slices.Clone(r.Reads())
	for i := range reads {
		reads[i].Path = within(path, reads[i].Path)
	}
	return reads
}

// Validate finds all mistakes in the fields.
func (c *Control) Validate() error {
	var m mistakes
	m.client(c.Client)
	m.name(c.Name)
	m.namespace(c.Namespace)
	if c.Server != nil {
		m.ask("Server", c.Server)
	}
	switch c.Operation {
	case Suspend, Resume, Stop, Terminate, Resubmit:
	case Retry:
		if c.Server == nil {
			m.add("Server", "is nil, but only an argo-server can retry a Workflow")
		}
	case "":
		m.add("Operation", "is empty; say what is to be done, such as workflow.Stop")
	default:
		m.add("Operation", "%q is none; say such as workflow.Stop", c.Operation)
	}
	m.ask("Arguments", c.Arguments)
	if len(c.Arguments) > 0 && c.Operation != Resubmit && c.Operation != Retry {
		m.add("Arguments", "have no effect on %s", c.Operation)
	}
	switch {
	case c.Memoized && c.Operation != Resubmit:
		m.add("Memoized", "has no effect on %s", c.Operation)
	case c.Memoized && c.Server == nil:
		m.add("Server", "is nil, but only an argo-server can make a memoized copy")
	}
	return errors.Join(m...)
}

// Reads returns what Name and Arguments read.
func (c *Control) Reads() []hearken.Read {
	return append(readsOf("Name", c.Name), readsOf("Arguments", c.Arguments)...)
}

// Validate finds all mistakes in the fields.
func (r *Rollout) Validate() error {
	var m mistakes
	m.client(r.Client)
	m.name(r.Name)
	m.namespace(r.Namespace)
	switch r.Operation {
	case Promote, PromoteFull, Abort:
	case "":
		m.add("Operation", "is empty; say workflow.Promote, workflow.PromoteFull or workflow.Abort")
	default:
		m.add("Operation", "%q is none; say workflow.Promote, workflow.PromoteFull or workflow.Abort", r.Operation)
	}
	if r.PodHash != (params.Value{}) {
		m.ask("PodHash", r.PodHash)
	}
	return errors.Join(m...)
}

// Reads returns what Name and PodHash read.
func (r *Rollout) Reads() []hearken.Read {
	return append(readsOf("Name", r.Name), readsOf("PodHash", r.PodHash)...)
}
