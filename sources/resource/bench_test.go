package resource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/sources/sourcetest"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

var podResource = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// benchPod is a pod as a cluster has it, of about 5 KB.
func benchPod(i int) []byte {
	env := make([]any, 20)
	for n := range env {
		env[n] = map[string]any{"name": fmt.Sprintf("SETTING_%d", n), "value": strings.Repeat("v", 40)}
	}
	var owned any
	_ = json.Unmarshal([]byte(`{"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:env":{},"f:image":{}}}}}`), &owned)
	pod, _ := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{
			"name": fmt.Sprintf("pod-%d", i), "namespace": "shop", "uid": fmt.Sprintf("uid-%d", i), "resourceVersion": fmt.Sprint(1000 + i),
			"creationTimestamp": "2026-01-01T00:00:00Z", "labels": map[string]any{"app": "my-pod", "tier": "web"},
			"managedFields": []any{
				map[string]any{"manager": "kubectl", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": owned},
				map[string]any{"manager": "kubelet", "operation": "Update", "time": "2026-01-01T00:00:05Z", "fieldsV1": owned},
			},
		},
		"spec":   map[string]any{"nodeName": "n1", "containers": []any{map[string]any{"name": "main", "image": "example.com/web:1", "env": env}}},
		"status": map[string]any{"phase": "Running", "podIP": "10.0.0.1", "conditions": []any{map[string]any{"type": "Ready", "status": "True"}}},
	})
	return pod
}

// stream serves an empty list and then one watch with n pods.
func stream(b *testing.B, n int) (config *rest.Config, bytesEach int64) {
	b.Helper()
	var events bytes.Buffer
	for i := range n {
		fmt.Fprintf(&events, `{"type":"ADDED","object":%s}`+"\n", benchPod(i))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") == "" {
			fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`)
			return
		}
		_, _ = io.Copy(w, bytes.NewReader(events.Bytes())) // the source may go first
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	b.Cleanup(server.Close)
	return &rest.Config{Host: server.URL, QPS: -1}, int64(events.Len() / n)
}

// BenchmarkBareWatch is the limit: client-go decodes a watch, and that is all.
func BenchmarkBareWatch(b *testing.B) {
	config, size := stream(b, b.N)
	client, err := dynamic.NewForConfig(config)
	require.NoError(b, err)
	b.SetBytes(size)
	b.ReportAllocs()
	b.ResetTimer()
	w, err := client.Resource(podResource).Watch(b.Context(), metav1.ListOptions{ResourceVersion: "1"})
	require.NoError(b, err)
	for range b.N {
		<-w.ResultChan()
	}
	b.StopTimer()
	w.Stop()
}

// BenchmarkSource is a watch decoded and made events of.
func BenchmarkSource(b *testing.B) {
	for name, set := range map[string]func(*resource.Source){
		"plain":    func(*resource.Source) {},
		"old body": func(s *resource.Source) { s.OldBody = true },
		"fields": func(s *resource.Source) {
			s.Fields = []resource.Field{{Path: "status.phase", Values: []any{"Running"}}}
		},
	} {
		b.Run(name, func(b *testing.B) {
			config, size := stream(b, b.N)
			s := &resource.Source{Config: config, Resource: podResource}
			set(s)
			out := (&sourcetest.Recorder{}).Output()
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			events := make(chan struct{}, 64)
			out.Emit = func(context.Context, hearken.Event) error {
				events <- struct{}{}
				return nil
			}
			b.SetBytes(size)
			b.ReportAllocs()
			b.ResetTimer()
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx, out) }()
			for range b.N {
				<-events
			}
			b.StopTimer()
			cancel()
			for len(events) > 0 {
				<-events
			}
			require.NoError(b, <-ended)
		})
	}
}
