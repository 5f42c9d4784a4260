package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// printMetrics writes what was measured, one line for each instrument and
// attributes.
func printMetrics(ctx context.Context, out io.Writer, r metric.Reader) error {
	var all metricdata.ResourceMetrics
	if err := r.Collect(ctx, &all); err != nil {
		return err
	}
	var lines []string
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					lines = append(lines, fmt.Sprintf("%s%s %d %s\n", m.Name, labels(p.Attributes), p.Value, m.Unit))
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					lines = append(lines, fmt.Sprintf("%s%s %d in %.6f %s\n", m.Name, labels(p.Attributes), p.Count, p.Sum, m.Unit))
				}
			}
		}
	}
	slices.Sort(lines)
	_, err := io.WriteString(out, "\nmetrics\n"+strings.Join(lines, ""))
	return err
}

// labels is a set as Prometheus writes it, without the pipeline's name that all
// have.
func labels(set attribute.Set) string {
	var pairs []string
	for _, kv := range set.ToSlice() {
		if kv.Key != "hearken.pipeline" {
			pairs = append(pairs, fmt.Sprintf("%s=%q", strings.TrimPrefix(string(kv.Key), "hearken."), kv.Value.AsString()))
		}
	}
	return "{" + strings.Join(pairs, ",") + "}"
}
