package resource_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/memory"
	"github.com/hearken-go/hearken/sources/resource"
	"github.com/hearken-go/hearken/sources/sourcetest"
)

func TestSourceKeepsTheContract(t *testing.T) {
	for name, tt := range map[string]struct {
		store func() bus.Store
		set   func(*resource.Source)
	}{
		"with a Store":    {func() bus.Store { return &memory.Store{} }, func(*resource.Source) {}},
		"without a Store": {func() bus.Store { return nil }, func(*resource.Source) {}},
		"with all filters": {func() bus.Store { return &memory.Store{} }, func(s *resource.Source) {
			s.Namespaces = []string{"shop", "other"}
			s.Labels = "app=shop"
			s.NamePrefix = "o"
			s.Fields = []resource.Field{{Path: "data.n", Values: []any{"0"}}}
			s.OldBody = true
		}},
		"with a Lease": {func() bus.Store { return &memory.Store{} }, func(s *resource.Source) {
			s.Lease = &resource.Lease{Namespace: "shop", Name: "orders", Client: &leases{}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, sourcetest.Harness{Bubble: true, New: func(testing.TB) sourcetest.Upstream {
				c := &cluster{uid: "cluster-1"}
				s := &resource.Source{Client: c, Resource: configMaps}
				tt.set(s)
				return sourcetest.Upstream{
					Source: s, Store: tt.store(),
					Produce: func(_ context.Context, n int) error {
						c.create(fmt.Sprintf("shop/o%d", n), labelled("app", "shop"))
						return nil
					},
				}
			}})
		})
	}
}
