package hearken

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/hearken-go/hearken/bus"
)

// Backlog asks the bus what it knows of the place of each sensor, by the
// sensor's name: how many events wait for it or are in flight, in all
// processes, and when one was last received or settled. It asks over the
// network and so is no part of Health, which must answer while the bus is away;
// ctx bounds it. It needs no Run: a process of its own can watch. A sensor that
// has never been subscribed is not in the map. The error Is
// errors.ErrUnsupported with a bus that cannot tell (see bus.Groups).
func (p *Pipeline) Backlog(ctx context.Context) (map[string]bus.GroupInfo, error) {
	groups, ok := p.Bus.(bus.Groups)
	if !ok {
		return nil, fmt.Errorf("hearken: backlog: %w by a bus that is no bus.Groups", errors.ErrUnsupported)
	}
	infos, err := groups.Groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("hearken: backlog: %w", err)
	}
	sensors := make(map[string]string, len(p.Sensors))
	for i := range p.Sensors {
		sensors[pathOf(p.Name, p.Sensors[i].Name)] = p.Sensors[i].Name
	}
	backlog := make(map[string]bus.GroupInfo, len(sensors))
	for _, info := range infos {
		if sensor, ok := sensors[info.Name]; ok {
			backlog[sensor] = info
		}
	}
	return backlog, nil
}

// LiveHandler answers a liveness probe: 200 until Run has ended, 503 from then
// on, when only a new process helps. A pipeline that drains, that has not been
// run yet, or whose bus is away is alive: to restart it would mend nothing, and
// would cut off what is under way. A trigger that ignores the end of its context
// keeps its worker, and is no reason either: its neighbours work on.
//
// The body is Health as JSON, without the texts of errors, which may quote what
// is nobody else's business; they are in the log. Methods other than GET and
// HEAD are answered 405. In Kubernetes:
//
//	mux.Handle("/livez", p.LiveHandler())
//	mux.Handle("/readyz", p.ReadyHandler())
func (p *Pipeline) LiveHandler() http.Handler {
	return p.probe(func(h Health) bool { return !h.Ended })
}

// ReadyHandler answers a readiness probe: 200 while every sensor is subscribed
// and emits are accepted, else 503, with the body of LiveHandler. It is 503 from
// the moment that Run's context has ended, so that no more requests are sent to
// a webhook that is about to go.
func (p *Pipeline) ReadyHandler() http.Handler {
	return p.probe(func(h Health) bool { return h.Ready })
}

func (p *Pipeline) probe(good func(Health) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		h := p.Health()
		body, err := json.Marshal(h.withoutErrors())
		if err != nil {
			http.Error(w, "health cannot be shown", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !good(h) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(body) // a probe that went away needs no answer
	})
}

var errInLog = errors.New("see the log")

// withoutErrors keeps of each error only when it happened. h owns its lists.
func (h Health) withoutErrors() Health {
	hide := func(l **LastError) {
		if *l != nil {
			*l = &LastError{Err: errInLog, Time: (*l).Time}
		}
	}
	for i := range h.EventSources {
		hide(&h.EventSources[i].LastError)
		hide(&h.EventSources[i].Trouble)
	}
	for i := range h.Sensors {
		s := &h.Sensors[i]
		hide(&s.LastError)
		for i := range s.Dependencies {
			hide(&s.Dependencies[i].LastError)
		}
		for i := range s.Actions {
			hide(&s.Actions[i].LastError)
		}
	}
	return h
}
