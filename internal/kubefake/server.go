// Package kubefake is a small Kubernetes API server for unit tests of what acts
// on objects: discovery, create, read, update, merge patch, delete and watch of
// any kind, with the errors that come with names, resource versions and UIDs. It
// knows no schemas, no admission and no rights; for those there is a real server
// behind make test-kubernetes.
package kubefake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Object is the JSON of an object.
type Object = map[string]any

// Kind is one kind that the API serves.
type Kind struct {
	Group, Version, Kind, Resource string
	Cluster                        bool // without namespaces
}

// Server is the API. All its methods may be called concurrently.
type Server struct {
	*httptest.Server

	mu       sync.Mutex
	kinds    []Kind
	version  int
	objects  map[string]Object // by path
	watchers map[chan event]string
	requests []string
	answer   func(http.ResponseWriter, *http.Request) bool
	end      chan struct{}
}

type event struct {
	Type   string `json:"type"`
	Object Object `json:"object"`
}

// New starts a server that serves kinds, until the end of the test.
func New(tb testing.TB, kinds ...Kind) *Server {
	tb.Helper()
	s := &Server{
		kinds:    kinds,
		version:  100,
		objects:  make(map[string]Object),
		watchers: make(map[chan event]string),
		end:      make(chan struct{}),
	}
	s.Server = httptest.NewServer(s)
	tb.Cleanup(func() {
		close(s.end)
		s.Close()
	})
	return s
}

// Serve adds a kind, as a definition that is installed later does.
func (s *Server) Serve(k Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds = append(s.kinds, k)
}

// Answer lets f answer requests instead, where it returns true. Nil: none.
func (s *Server) Answer(f func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Ended is closed at the end of the test: what an Answer may hang on.
func (s *Server) Ended() <-chan struct{} { return s.end }

// Requests returns what was asked for: method and path, with the query.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Objects returns all objects, by path, such as
// "/api/v1/namespaces/default/pods/a".
func (s *Server) Objects() map[string]Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]Object, len(s.objects))
	for path, o := range s.objects {
		all[path] = clone(o)
	}
	return all
}

// Object returns one object, or nil.
func (s *Server) Object(path string) Object { return s.Objects()[path] }

// Put stores an object as another client would, and tells those who watch. A nil
// object deletes.
func (s *Server) Put(path string, o Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o == nil {
		s.remove(path)
		return
	}
	s.store(path, clone(o))
}

// CloseWatches ends all watches, after an error of this code where it is not 0.
func (s *Server) CloseWatches(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.watchers {
		if code != 0 {
			c <- event{"ERROR", status(code, "Expired", "too old resource version")}
		}
		close(c)
		delete(s.watchers, c)
	}
}

// Watches counts the watches that are open.
func (s *Server) Watches() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watchers)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	answer := s.answer
	s.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	at, ok := s.locate(r.URL.Path)
	switch {
	case !ok:
		Fail(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource")
	case at.kind == nil:
		s.discover(w, at)
	case r.URL.Query().Has("watch"):
		s.watch(w, r, at)
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.act(w, r, at)
	}
}

// place is what a path leads to: a kind's objects, one of them, or, without a
// kind, a group and version.
type place struct {
	group, version string
	kind           *Kind
	list, name     string // the path of the list
}

func (s *Server) locate(path string) (place, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var at place
	switch {
	case len(parts) >= 2 && parts[0] == "api":
		at.version, parts = parts[1], parts[2:]
	case len(parts) >= 3 && parts[0] == "apis":
		at.group, at.version, parts = parts[1], parts[2], parts[3:]
	default:
		return at, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	served := false
	namespaced := len(parts) >= 3 && parts[0] == "namespaces"
	if namespaced {
		parts = parts[2:]
	}
	for i := range s.kinds {
		k := s.kinds[i]
		if k.Group != at.group || k.Version != at.version {
			continue
		}
		served = true
		if len(parts) > 0 && k.Resource == parts[0] && k.Cluster != namespaced {
			at.kind = &k
		}
	}
	if len(parts) == 0 {
		return at, served
	}
	at.list = strings.TrimSuffix(path, "/")
	if len(parts) > 1 {
		at.name = parts[1]
		at.list = path[:strings.LastIndex(path, "/"+parts[0]+"/"+parts[1])] + "/" + parts[0]
	}
	return at, at.kind != nil
}

func (s *Server) discover(w http.ResponseWriter, at place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var resources []Object
	for _, k := range s.kinds {
		if k.Group == at.group && k.Version == at.version {
			resources = append(resources,
				Object{"name": k.Resource, "kind": k.Kind, "namespaced": !k.Cluster, "singularName": "", "verbs": []string{}},
				Object{"name": k.Resource + "/status", "kind": k.Kind, "namespaced": !k.Cluster, "singularName": "", "verbs": []string{}})
		}
	}
	write(w, http.StatusOK, Object{
		"kind": "APIResourceList", "apiVersion": "v1",
		"groupVersion": strings.TrimPrefix(at.group+"/"+at.version, "/"), "resources": resources,
	})
}

func (s *Server) act(w http.ResponseWriter, r *http.Request, at place) {
	path := at.list + "/" + at.name
	old := s.objects[path]
	switch {
	case r.Method == http.MethodPost && at.name == "":
		s.create(w, r, at)
	case r.Method == http.MethodGet && at.name == "":
		s.respondList(w, at)
	case old == nil:
		Fail(w, http.StatusNotFound, "NotFound", fmt.Sprintf("%s %q not found", at.kind.Resource, at.name), "name", at.name, "kind", at.kind.Resource)
	case r.Method == http.MethodGet:
		write(w, http.StatusOK, old)
	case r.Method == http.MethodPut:
		s.change(w, r, path, old, func(_, body Object) Object { return body })
	case r.Method == http.MethodPatch && strings.HasPrefix(r.Header.Get("Content-Type"), "application/merge-patch+json"):
		s.change(w, r, path, old, func(old, body Object) Object { return merge(clone(old), body) })
	case r.Method == http.MethodDelete:
		s.delete(w, r, path, old)
	default:
		Fail(w, http.StatusUnsupportedMediaType, "UnsupportedMediaType", "kubefake does not know "+r.Method+" "+r.Header.Get("Content-Type"))
	}
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, at place) {
	o, ok := read(w, r)
	if !ok {
		return
	}
	name, _ := meta(o)["name"].(string)
	path := at.list + "/" + name
	if s.objects[path] != nil {
		Fail(w, http.StatusConflict, "AlreadyExists", fmt.Sprintf("%s %q already exists", at.kind.Resource, name), "name", name, "kind", at.kind.Resource)
		return
	}
	if parts := strings.Split(at.list, "/"); !at.kind.Cluster {
		meta(o)["namespace"] = parts[len(parts)-2]
	}
	write(w, http.StatusCreated, s.store(path, o))
}

func (s *Server) change(w http.ResponseWriter, r *http.Request, path string, old Object, f func(old, body Object) Object) {
	body, ok := read(w, r)
	if !ok {
		return
	}
	if v, ok := meta(body)["resourceVersion"]; ok && v != "" && v != meta(old)["resourceVersion"] {
		Fail(w, http.StatusConflict, "Conflict", "the object has been modified; please apply your changes to the latest version and try again")
		return
	}
	write(w, http.StatusOK, s.store(path, f(old, body)))
}

func (s *Server) delete(w http.ResponseWriter, r *http.Request, path string, old Object) {
	var options struct{ Preconditions struct{ UID string } }
	if err := json.NewDecoder(r.Body).Decode(&options); err != nil && r.ContentLength != 0 {
		Fail(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	if uid := options.Preconditions.UID; uid != "" && uid != meta(old)["uid"] {
		Fail(w, http.StatusConflict, "Conflict", "the UID in the precondition does not match the UID in record")
		return
	}
	s.remove(path)
	write(w, http.StatusOK, Object{"kind": "Status", "apiVersion": "v1", "status": "Success"})
}

func (s *Server) respondList(w http.ResponseWriter, at place) {
	items := []Object{}
	for path, o := range s.objects {
		if strings.HasPrefix(path, at.list+"/") {
			items = append(items, o)
		}
	}
	write(w, http.StatusOK, Object{
		"kind": at.kind.Kind + "List", "apiVersion": strings.TrimPrefix(at.group+"/"+at.version, "/"),
		"metadata": Object{"resourceVersion": strconv.Itoa(s.version)}, "items": items,
	})
}

// watch sends what happens to the object that the field selector names. What
// happened between the resource version and now is one event.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, at place) {
	name := strings.TrimPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name=")
	path := at.list + "/" + name
	c := make(chan event, 100)
	s.mu.Lock()
	now := s.objects[path]
	since := r.URL.Query().Get("resourceVersion")
	switch {
	case now == nil:
		c <- event{"DELETED", Object{"kind": at.kind.Kind, "apiVersion": strings.TrimPrefix(at.group+"/"+at.version, "/"), "metadata": Object{"name": name}}}
	case meta(now)["resourceVersion"] != since:
		c <- event{"MODIFIED", clone(now)}
	}
	s.watchers[c] = path
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, c)
	}()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case e, open := <-c:
			if !open || json.NewEncoder(w).Encode(e) != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.end:
			return
		}
	}
}

func (s *Server) store(path string, o Object) Object {
	s.version++
	m := meta(o)
	old, typ := s.objects[path], "MODIFIED"
	if old == nil {
		typ = "ADDED"
		if m["uid"] == nil {
			m["uid"] = fmt.Sprintf("uid-%d", s.version)
		}
		m["creationTimestamp"] = time.Now().UTC().Format(time.RFC3339)
	} else {
		m["uid"] = meta(old)["uid"]
	}
	m["resourceVersion"] = strconv.Itoa(s.version)
	s.objects[path] = o
	s.tell(path, event{typ, clone(o)})
	return o
}

func (s *Server) remove(path string) {
	if old := s.objects[path]; old != nil {
		delete(s.objects, path)
		s.version++
		s.tell(path, event{"DELETED", old})
	}
}

func (s *Server) tell(path string, e event) {
	for c, watched := range s.watchers {
		if watched == path {
			c <- e
		}
	}
}

// Fail answers with a Status; details are pairs of a field's name and value.
func Fail(w http.ResponseWriter, code int, reason, message string, details ...any) {
	o := status(code, reason, message)
	d := Object{}
	for i := 0; i+1 < len(details); i += 2 {
		d[details[i].(string)] = details[i+1]
	}
	if len(d) > 0 {
		o["details"] = d
	}
	write(w, code, o)
}

func status(code int, reason, message string) Object {
	return Object{
		"kind": "Status", "apiVersion": "v1", "metadata": Object{},
		"status": "Failure", "code": code, "reason": reason, "message": message,
	}
}

func write(w http.ResponseWriter, code int, o Object) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(o) // a client that went away needs no answer
}

func read(w http.ResponseWriter, r *http.Request) (Object, bool) {
	var o Object
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		Fail(w, http.StatusBadRequest, "BadRequest", err.Error())
		return nil, false
	}
	return o, true
}

func meta(o Object) Object {
	m, ok := o["metadata"].(Object)
	if !ok {
		m = Object{}
		o["metadata"] = m
	}
	return m
}

func clone(o Object) Object {
	c := maps.Clone(o)
	for k, v := range c {
		if below, ok := v.(Object); ok {
			c[k] = clone(below)
		}
	}
	return c
}

// merge follows RFC 7386.
func merge(o, patch Object) Object {
	for k, v := range patch {
		below, isObject := v.(Object)
		switch {
		case v == nil:
			delete(o, k)
		case isObject:
			old, _ := o[k].(Object)
			if old == nil {
				old = Object{}
			}
			o[k] = merge(old, below)
		default:
			o[k] = v
		}
	}
	return o
}
