//go:build kubernetes

package k8s_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/hearken-go/hearken/internal/kubetest"
	"go.uber.org/goleak"
)

// cluster is the API server of all tests.
var cluster *kubetest.Cluster

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	c, err := kubetest.Start(context.Background(), kubetest.Config{Users: []string{"visitor", "reader"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cluster = c
	version, err := c.Version(context.Background())
	fmt.Println("kube-apiserver", version, err)
	code := m.Run()
	c.Stop()
	err = goleak.Find()
	for began := time.Now(); err != nil && time.Since(began) < patience; {
		err = goleak.Find() // connections to what was killed end when they get their turn
	}
	if err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
