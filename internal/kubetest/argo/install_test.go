package argo

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An API server serves a kind's objects before it tells of the kind, or the other
// way round: installed is what is both.
func TestAKindIsInstalledOnceItIsFound(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]string{"told of later": "/apis/argoproj.io/v1alpha1", "served later": "/apis/argoproj.io/v1alpha1/workflows"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := map[string]int{}
			mux := http.NewServeMux()
			for path, text := range map[string]string{
				crdsPath + "/workflows.argoproj.io":    `{"status":{"conditions":[{"type":"Established","status":"True"}]}}`,
				"/apis/argoproj.io/v1alpha1/workflows": `{"items":[]}`,
				"/apis/argoproj.io/v1alpha1":           `{"resources":[{"name":"rollouts"},{"name":"workflows"}]}`,
			} {
				mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
					switch asked[path]++; {
					case path != late || asked[path] > 2:
						_, err := w.Write([]byte(text))
						assert.NoError(t, err)
					case asked[path] == 1:
						http.NotFound(w, nil)
					default:
						_, err := w.Write([]byte(`{"resources":[{"name":"rollouts"}]}`))
						assert.NoError(t, err)
					}
				})
			}
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			a := &api{url: server.URL, client: server.Client()}
			require.NoError(t, a.established(t.Context(), "workflows.argoproj.io", "workflows"))
			assert.GreaterOrEqual(t, asked[late], 2)
		})
	}
}
