package resource

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearken-go/hearken"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// troubles is what is wrong now, by what it concerns.
type troubles struct {
	mu  sync.Mutex
	now map[string]*hearken.LastError
}

// begin notes that something is wrong, and logs it when that, or its text, is
// new.
func (t *troubles) begin(log *slog.Logger, what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil {
		t.now = map[string]*hearken.LastError{}
	}
	was := t.now[what]
	if was != nil && was.Err.Error() == err.Error() {
		log.Debug("resource source still has trouble", "with", what, "error", err)
		return
	}
	since := time.Now()
	if was != nil {
		since = was.Time
	}
	t.now[what] = &hearken.LastError{Err: err, Time: since}
	log.Warn("resource source has trouble and tries again", "with", what, "error", err)
}

// end notes that it is well again.
func (t *troubles) end(log *slog.Logger, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if was := t.now[what]; was != nil {
		log.Info("resource source's trouble is over", "with", what, "lasted", time.Since(was.Time))
		delete(t.now, what)
	}
}

func (t *troubles) clearAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.now)
}

// current returns all that is wrong, since the first of it began.
func (t *troubles) current() *hearken.LastError {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.now) == 0 {
		return nil
	}
	var errs []error
	since := time.Now()
	for _, what := range slices.Sorted(maps.Keys(t.now)) {
		errs = append(errs, t.now[what].Err)
		if at := t.now[what].Time; at.Before(since) {
			since = at
		}
	}
	if len(errs) == 1 {
		return &hearken.LastError{Err: errs[0], Time: since}
	}
	return &hearken.LastError{Err: errors.Join(errs...), Time: since}
}

// explain says of an error of the API server what is missing and what would do.
func explain(err error, verb string, gvr schema.GroupVersionResource, namespace string) error {
	where := "in all namespaces"
	if namespace != "" {
		where = fmt.Sprintf("in namespace %q", namespace)
	}
	what := gvr.GroupResource().String()
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		return fmt.Errorf("resource: no right to %s %s %s; the verbs list and watch on %s are needed there: %w", verb, what, where, what, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("resource: %s %s %s: the cluster does not accept the credentials: %w", verb, what, where, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("resource: %s %s %s: version %s has no such resource (is the name its plural, is its CRD installed, and is it not one of the cluster rather than of namespaces?): %w",
			verb, what, where, strings.TrimPrefix(gvr.GroupVersion().String(), "/"), err)
	default:
		return fmt.Errorf("resource: %s %s %s: %w", verb, what, where, err)
	}
}

// isExpired says that the cluster no longer knows what happened since a
// resourceVersion.
func isExpired(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err)
}
