package k8s

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hearken-go/hearken"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Failed says of a request's error what was done to which object, and marks it
// for the engine. It returns nil for nil, wraps err, and ctx's error too where
// that has ended.
//
// Permanent are what the API finds wrong with the request (invalid, forbidden,
// too large, of a type or in a conflict of apply that will stay) and an object
// that is not there. Another attempt is made when the quota is exceeded, the
// namespace is being deleted, is not there or has just been made, the credentials
// are refused (they may be renewed), a webhook fails, the server is busy, which may
// say how long, has just started, is in error, or does not answer.
//
// Long messages are cut, and what the API finds invalid in a Secret is said
// without its values.
func Failed(ctx context.Context, op string, o *unstructured.Unstructured, err error) error {
	if err == nil {
		return nil
	}
	var status apierrors.APIStatus
	if isSecret(o) && errors.As(err, &status) {
		err = hidden(err, status.Status())
	}
	return fmt.Errorf("%s %s: %w", op, describe(o), classify(ctx, err))
}

// describe names o by kind, namespace and name.
func describe(o *unstructured.Unstructured) string {
	if o == nil || o.Object == nil {
		return "an object"
	}
	kind, name := o.GetKind(), o.GetName()
	if kind == "" {
		kind = "object"
	}
	if name == "" {
		name = o.GetGenerateName() + "*"
	}
	if namespace := o.GetNamespace(); namespace != "" {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

func classify(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil {
		if errors.Is(err, end) {
			return err
		}
		return fmt.Errorf("%w: %w", end, err)
	}
	var status apierrors.APIStatus
	if hearken.IsPermanent(err) || !errors.As(err, &status) {
		return err
	}
	s := status.Status()
	err = retold(err, s)
	if conflicts := applyConflicts(s); conflicts != "" {
		return hearken.Permanent(fmt.Errorf("others manage %s; Force would take it from them: %w", conflicts, err))
	}
	if isPermanent(s) {
		return hearken.Permanent(err)
	}
	if s.Details != nil && s.Details.RetryAfterSeconds > 0 {
		return hearken.RetryAfter(err, time.Duration(s.Details.RetryAfterSeconds)*time.Second)
	}
	return err
}

// saying is an error in other words.
type saying struct {
	text string
	err  error
}

func (s *saying) Error() string { return s.text }
func (s *saying) Unwrap() error { return s.err }

// maxMessage bounds what an error says: the API server may put a whole object in
// it.
const maxMessage = 1024

// retold makes up for messages that client-go leaves empty, as for a watch, and
// puts in causes that it leaves out, as for a JSON patch.
func retold(err error, s metav1.Status) error {
	text := err.Error()
	if s.Message == "unknown" {
		text = strings.TrimSuffix(text, s.Message) + "the API server says " + cmp.Or(string(s.Reason), fmt.Sprint(s.Code))
	}
	for _, cause := range causes(s) {
		if cause.Type == metav1.CauseTypeUnexpectedServerResponse && cause.Message != "unknown" && !strings.Contains(text, cause.Message) {
			text += ": " + cause.Message
		}
	}
	if len(text) > maxMessage { // what is wrong may stand behind the object
		const tail = maxMessage / 4
		text = strings.ToValidUTF8(text[:maxMessage-tail]+"…"+text[len(text)-tail:], "")
	}
	if text == err.Error() {
		return err
	}
	return &saying{text, err}
}

// hidden says of what is invalid only where it is.
func hidden(err error, s metav1.Status) error {
	if s.Code != http.StatusBadRequest && s.Code != http.StatusUnprocessableEntity && !isMistyped(s) {
		return err
	}
	text := fmt.Sprintf("the API server says %s", cmp.Or(string(s.Reason), fmt.Sprint(s.Code)))
	if isMistyped(s) {
		text = mistyped
	}
	for _, cause := range causes(s) {
		if cause.Field != "" {
			text += ", " + cause.Field
		}
	}
	if found := unknownFields.FindString(s.Message); found != "" {
		text += ": " + found
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: s.Status, Code: s.Code, Reason: s.Reason, Message: text}}
}

// unknownFields is what names fields and has no values.
var unknownFields = regexp.MustCompile(
	`(strict decoding error: (unknown|duplicate) field "[^"]*"(, (unknown|duplicate) field "[^"]*")*|\.[\w.-]+: field not declared in schema)$`)

func isSecret(o *unstructured.Unstructured) bool {
	return o != nil && o.GetKind() == "Secret" && o.GetAPIVersion() == "v1"
}

func isPermanent(s metav1.Status) bool {
	switch s.Code {
	case http.StatusForbidden:
		return !passes(s)
	case http.StatusNotFound:
		return isObject(s)
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusConflict, http.StatusGone, http.StatusTooManyRequests:
		return false
	}
	return s.Code >= 400 && s.Code < 500 || tooLargeForStore(s) || isMistyped(s)
}

const mistyped = "failed to create typed patch object"

// isMistyped knows an object to apply that is none of its kind, which the API server
// takes for an error of its own.
func isMistyped(s metav1.Status) bool {
	return s.Code == http.StatusInternalServerError && strings.Contains(s.Message, mistyped)
}

// passes knows the refusals that are no matter of rights.
func passes(s metav1.Status) bool {
	for _, cause := range causes(s) {
		if cause.Type == "NamespaceTerminating" {
			return true
		}
	}
	return slices.ContainsFunc([]string{
		"exceeded quota",
		"status unknown for quota",
		"because it is being terminated",
		"there was an error enforcing limit ranges",
		"not yet ready to handle request",    // for the server has just started
		`serviceaccount "default" not found`, // for the namespace has just been made
	}, func(text string) bool { return strings.Contains(s.Message, text) })
}

// isObject says that what is not there is the object: not its namespace, and not
// its kind, which no details name.
func isObject(s metav1.Status) bool {
	return names(s) && s.Details.Kind != "namespaces"
}

// isAbsent says that the API knows the kind, and that there is no such object.
func isAbsent(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) && names(status.Status())
}

// names tells what is said of an object from what is said of a path, as of a kind
// that is not served or by a proxy.
func names(s metav1.Status) bool { return s.Details != nil && s.Details.Name != "" }

// tooLargeForStore knows how etcd, and the connection to it, turn down an object
// that the API server itself would take: as a server error.
func tooLargeForStore(s metav1.Status) bool {
	return strings.Contains(s.Message, "etcdserver: request is too large") ||
		strings.Contains(s.Message, "trying to send message larger than max")
}

// applyConflicts returns the fields that an apply would take from others, each
// with who manages it, or nothing.
func applyConflicts(s metav1.Status) string {
	if s.Code != http.StatusConflict {
		return ""
	}
	var fields []string
	for _, cause := range causes(s) {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			fields = append(fields, fmt.Sprintf("%s (%s)", cause.Field, cause.Message))
		}
	}
	return strings.Join(fields, ", ")
}

// isOtherUID knows the conflict of an object that has another uid than was asked
// for.
func isOtherUID(err error) bool {
	return apierrors.IsConflict(err) && strings.Contains(err.Error(), "UID in")
}

func causes(s metav1.Status) []metav1.StatusCause {
	if s.Details == nil {
		return nil
	}
	return s.Details.Causes
}
