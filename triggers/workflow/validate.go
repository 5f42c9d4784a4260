package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/k8s"
	"github.com/hearken-go/hearken/triggers/params"
)

// mistakes are those of a trigger of Argo.
type mistakes struct{ hearken.Mistakes }

func (m *mistakes) client(c *k8s.Client) {
	if c == nil {
		m.Add("Client", "is nil; give a *k8s.Client, which several triggers can share")
		return
	}
	m.Ask("Client", c)
}

func (m *mistakes) name(name params.Value) {
	if name == (params.Value{}) {
		m.Add("Name", "is empty; say which one by params.Const or a value of the firing")
		return
	}
	m.Ask("Name", name)
}

// fixed checks a name that is the same in each firing.
func (m *mistakes) fixed(path, name string) {
	if name == "" {
		return
	}
	bad := validation.IsDNS1123Subdomain(name)
	if bad == nil { // the Workflow gets it as a label too
		bad = validation.IsValidLabelValue(name)
	}
	if bad != nil {
		m.Add(path, "%q is no name: %s", name, strings.Join(bad, "; "))
	}
}

// namespace checks a namespace, which the client provides where there is none.
func (m *mistakes) namespace(namespace string, c *k8s.Client) {
	if namespace == "" {
		if c != nil && c.Namespace == "" {
			m.Add("Namespace", "is empty, and so is the Client's; say where it is")
		}
		return
	}
	if bad := validation.IsDNS1123Label(namespace); bad != nil {
		m.Add("Namespace", "%q is no namespace: %s", namespace, strings.Join(bad, "; "))
	}
}

func (m *mistakes) labels(path string, labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if bad := validation.IsQualifiedName(key); bad != nil {
			m.Add(fmt.Sprintf("%s[%q]", path, key), "is no name of a label: %s", strings.Join(bad, "; "))
		}
		m.labelValue(fmt.Sprintf("%s[%q]", path, key), labels[key])
	}
}

func (m *mistakes) labelValue(path, value string) {
	if bad := validation.IsValidLabelValue(value); bad != nil {
		m.Add(path, "%q is no value of a label: %s", value, strings.Join(bad, "; "))
	}
}

// Validate finds all mistakes in the fields.
func (s *Submit) Validate() error {
	var m mistakes
	m.client(s.Client)
	s.validateOrigin(&m)
	if s.Namespace != "" || s.Manifest == nil { // a manifest may say it
		m.namespace(s.Namespace, s.Client)
	}
	if s.Arguments != nil {
		m.Ask("Arguments", s.Arguments)
	}
	m.labelValue("InstanceID", s.InstanceID)
	m.labels("Labels", s.Labels)
	if s.Wait < 0 {
		m.Add("Wait", "is negative; zero does not wait")
	}
	switch {
	case s.Resubmit < 0:
		m.Add("Resubmit", "is negative; zero never submits again")
	case s.Resubmit > 0 && s.Wait <= 0:
		m.Add("Resubmit", "takes Wait: what is not waited for is not seen to fail")
	}
	return m.Err()
}

// kind checks what a manifest makes, where it says so before anything fires.
func (m *mistakes) kind(manifest hearken.Payload) {
	text, is := manifest.(*k8s.Manifest)
	if !is || text == nil {
		return
	}
	if kind := text.Kind(); !kind.Empty() && kind != newObject(kindWorkflow).GroupVersionKind() {
		m.Add("Manifest", "is of %s %q; Submit takes %s %q", kind.GroupVersion(), kind.Kind, apiVersion, kindWorkflow)
	}
}

func (s *Submit) validateOrigin(m *mistakes) {
	var set []string
	if s.Manifest != nil {
		set = append(set, "Manifest")
		m.Ask("Manifest", s.Manifest)
		m.kind(s.Manifest)
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
	if len(set) == 0 {
		m.Add("Manifest", "is nil; set it, WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow")
		return
	}
	for _, more := range set[1:] {
		m.Add(more, "is set beside %s; a Workflow is made from one of them", set[0])
	}
}

// Reads returns what the Manifest and the Arguments read. What Edit reads is not
// known.
func (s *Submit) Reads() []hearken.Read {
	return append(hearken.ReadsAt("Manifest", s.Manifest), hearken.ReadsAt("Arguments", s.Arguments)...)
}

// Validate finds all mistakes in the fields.
func (c *Control) Validate() error {
	var m mistakes
	m.client(c.Client)
	m.name(c.Name)
	m.namespace(c.Namespace, c.Client)
	if c.Server != nil {
		m.Ask("Server", c.Server)
	}
	switch c.Operation {
	case Suspend, Resume, Stop, Terminate, Resubmit:
	case Retry:
		if c.Server == nil {
			m.Add("Server", "is nil, but only an argo-server can retry a Workflow")
		}
	case "":
		m.Add("Operation", "is empty; say what is to be done, such as workflow.Stop")
	default:
		m.Add("Operation", "%q is none; say such as workflow.Stop", c.Operation)
	}
	if c.Arguments != nil {
		m.Ask("Arguments", c.Arguments)
	}
	if len(c.Arguments) > 0 && c.Operation != Resubmit && c.Operation != Retry {
		m.Add("Arguments", "have no effect on %s", c.Operation)
	}
	switch {
	case c.Memoized && c.Operation != Resubmit:
		m.Add("Memoized", "has no effect on %s", c.Operation)
	case c.Memoized && c.Server == nil:
		m.Add("Server", "is nil, but only an argo-server can make a memoized copy")
	}
	return m.Err()
}

// Reads returns what Name and Arguments read.
func (c *Control) Reads() []hearken.Read {
	return append(hearken.ReadsAt("Name", c.Name), hearken.ReadsAt("Arguments", c.Arguments)...)
}

// Validate finds all mistakes in the fields.
func (r *Rollout) Validate() error {
	var m mistakes
	m.client(r.Client)
	m.name(r.Name)
	m.namespace(r.Namespace, r.Client)
	switch r.Operation {
	case Promote, PromoteFull, Abort:
	case "":
		m.Add("Operation", "is empty; say workflow.Promote, workflow.PromoteFull or workflow.Abort")
	default:
		m.Add("Operation", "%q is none; say workflow.Promote, workflow.PromoteFull or workflow.Abort", r.Operation)
	}
	if r.PodHash != (params.Value{}) {
		m.Ask("PodHash", r.PodHash)
	}
	return m.Err()
}

// Reads returns what Name and PodHash read.
func (r *Rollout) Reads() []hearken.Read {
	return append(hearken.ReadsAt("Name", r.Name), hearken.ReadsAt("PodHash", r.PodHash)...)
}
