package argo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hearken-go/hearken/internal/kubetest"
)

const group = "/apis/argoproj.io/v1alpha1/"

// Play plays both controllers until ctx ends, also while the API server is away.
// It returns nil, or why an object could not be moved on.
func Play(ctx context.Context, c *kubetest.Cluster) error {
	a, err := newAPI(c)
	if err != nil {
		return err
	}
	defer a.client.CloseIdleConnections()
	var wg sync.WaitGroup
	errs := make(chan error, 2) // of each controller
	for resource, next := range map[string]func(object) object{
		"workflows": nextWorkflow, "rollouts": nextRollout,
	} {
		wg.Go(func() { errs <- a.play(ctx, resource, next) })
	}
	wg.Wait()
	return errors.Join(<-errs, <-errs)
}

// play watches a resource, and patches each of its objects with what next says
// comes next, until it says nil.
func (a *api) play(ctx context.Context, resource string, next func(object) object) error {
	for ctx.Err() == nil {
		if err := a.watch(ctx, resource, next); refused(err) && ctx.Err() == nil {
			return err
		}
		_ = pause(ctx, 100*time.Millisecond) // whether ctx has ended is seen next
	}
	return nil
}

// watch plays until the watch ends, and returns why.
func (a *api) watch(ctx context.Context, resource string, next func(object) object) error {
	// Without a resource version a watch begins with all that is there.
	resp, err := a.open(ctx, http.MethodGet, group+resource+"?watch=1", "", nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return a.follow(ctx, resource, json.NewDecoder(resp.Body), next)
}

var errWatch = errors.New("the watch has ended")

func (a *api) follow(ctx context.Context, resource string, events *json.Decoder, next func(object) object) error {
	for {
		var e struct {
			Type   string
			Object object
		}
		err := events.Decode(&e)
		switch {
		case err != nil:
			return err
		case e.Type == "ERROR":
			return errWatch
		case e.Type == "DELETED":
			continue
		}
		patch := next(e.Object)
		if patch == nil {
			continue
		}
		if err := a.patch(ctx, resource, e.Object, patch); err != nil && !changed(err) {
			return fmt.Errorf("%s %s: %w", resource, e.Object.text("metadata", "name"), err)
		}
	}
}

// patch is refused when the object has been changed since: then there is another
// event.
func (a *api) patch(ctx context.Context, resource string, o, patch object) error {
	meta, _ := patch["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["resourceVersion"] = o.text("metadata", "resourceVersion")
	patch["metadata"] = meta
	raw, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("%s/namespaces/%s/%s/%s", group[:len(group)-1], o.text("metadata", "namespace"), resource, o.text("metadata", "name"))
	if resource == "rollouts" {
		path += "/status"
	}
	return a.do(ctx, http.MethodPatch, path, "application/merge-patch+json", raw, nil)
}
