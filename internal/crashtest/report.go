package crashtest

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Table is the results as aligned text.
func Table(results []Result) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) } // a Builder takes all
	row("scenario", "kills", "stops", "cuts", "posted", "accepted", "ambiguous", "refused", "fired", "dead-lettered", "pending",
		"lost", "duplicates", "two ids", "arrived", "redelivery", "slowest", "start", "stop", "seed")
	for _, r := range results {
		cells := []string{r.Scenario}
		for _, n := range []int{
			r.Kills, r.Stops, r.Cuts, r.Posted, r.Accepted, r.Ambiguous, r.Refused, r.Fired, r.DeadLettered, r.Pending,
			r.Lost, r.Duplicates, r.TwoIDs, r.Arrived,
		} {
			cells = append(cells, strconv.Itoa(n))
		}
		for _, d := range []time.Duration{r.Redelivery, r.Slowest, r.LongStart, r.LongStop} {
			cells = append(cells, fmt.Sprintf("%.2fs", d.Seconds()))
		}
		row(append(cells, strconv.FormatUint(r.Seed, 10))...)
	}
	_ = w.Flush()
	return text.String()
}
