// Command report makes one table of what the benchmarks of Hearken print:
//
//	./run.sh | go run ./report
//
// It repeats its input on standard error as it comes, and ends with status 1
// when a benchmark failed. A target that is missed is said and is no failure: on
// a busy machine it may be the machine's.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Stdin, os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

var errFailed = errors.New("a benchmark failed")

func run(in io.Reader, out, progress io.Writer) error {
	o, err := parse(in, progress)
	if err != nil {
		return err
	}
	if err := o.write(out); err != nil {
		return err
	}
	if o.failed {
		return errFailed
	}
	return nil
}

// output is what go test has printed.
type output struct {
	machine    string
	benchmarks map[string]figures
	failed     bool
}

// figures are those of one benchmark, by unit.
type figures map[string]float64

func parse(in io.Reader, progress io.Writer) (*output, error) {
	o := &output{benchmarks: map[string]figures{}}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := lines.Text()
		if _, err := fmt.Fprintln(progress, line); err != nil {
			return nil, err
		}
		switch {
		case strings.HasPrefix(line, "Benchmark"):
			if err := o.add(strings.Fields(line)); err != nil {
				return nil, err
			}
		case strings.HasPrefix(line, "cpu: "):
			o.machine = strings.TrimPrefix(line, "cpu: ")
		case strings.HasPrefix(line, "FAIL"), strings.HasPrefix(line, "--- FAIL"):
			o.failed = true
		}
	}
	return o, lines.Err()
}

// add takes a line: a name, how many iterations, and pairs of figure and unit.
func (o *output) add(fields []string) error {
	if len(fields) < 4 {
		return nil // a benchmark that has begun, or logs
	}
	f := figures{}
	for pair := range slices.Chunk(fields[2:], 2) {
		if len(pair) < 2 {
			break
		}
		v, err := strconv.ParseFloat(pair[0], 64)
		if err != nil {
			return fmt.Errorf("%s: %w", fields[0], err)
		}
		f[pair[1]] = v
	}
	name := strings.TrimPrefix(fields[0], "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i] // the number of CPUs
	}
	o.benchmarks[name] = f
	return nil
}

// write writes the rows that there are figures for.
func (o *output) write(w io.Writer) error {
	table := [][]string{{"#", "what", "unit", "limit", "Hearken", "ratio", "target", "", "peers"}}
	for _, r := range rows() {
		if f, ok := o.benchmarks[r.benchmark]; ok {
			table = append(table, r.cells(f))
		}
	}
	if len(table) == 1 {
		return errors.New("no benchmark of the table in the input")
	}
	if _, err := fmt.Fprintf(w, "Measured on %s.\n\n", o.machine); err != nil {
		return err
	}
	return writeMarkdown(w, table)
}

func (r row) cells(f figures) []string {
	figure, measured := f[r.unit]
	if !measured { // not to be taken for zero
		return []string{strconv.Itoa(r.number), r.what, r.unit, "", "", "", r.target.String(), "no figure", ""}
	}
	limit, ratio := "", ""
	if v, ok := f["limit-"+r.unit]; ok {
		limit = number(v)
	}
	x, compared := f["x-"+r.unit]
	if compared {
		ratio = fmt.Sprintf("%.2f", x)
	} else if !r.target.absolute && r.target != (target{}) {
		x = math.NaN() // neither met nor zero
	}
	return []string{
		strconv.Itoa(r.number), r.what, r.unit, limit, number(figure), ratio,
		r.target.String(), r.target.verdict(figure, x), peers(f, r.unit),
	}
}

func (t target) String() string {
	if t == (target{}) {
		return ""
	}
	text := "≤ "
	if t.atLeast {
		text = "≥ "
	}
	text += strconv.FormatFloat(t.bound, 'f', -1, 64)
	if !t.absolute {
		text += " ×"
	}
	return text
}

// verdict looks at two decimals: that is what the figures are worth.
func (t target) verdict(figure, ratio float64) string {
	v := ratio
	if t.absolute {
		v = figure
	}
	v = math.Round(v*100) / 100
	switch {
	case t == (target{}):
		return ""
	case t.atLeast && v >= t.bound, !t.atLeast && v <= t.bound:
		return "met"
	}
	return "MISSED"
}

// peers are the other contestants' figures of a unit.
func peers(f figures, unit string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if peer, ok := strings.CutSuffix(name, "-"+unit); ok && peer != "limit" && peer != "x" {
			all = append(all, peer+" "+number(f[name]))
		}
	}
	return strings.Join(all, ", ")
}

// number shows three digits, as good as the figures are.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func writeMarkdown(w io.Writer, table [][]string) error {
	widths := make([]int, len(table[0]))
	for _, line := range table {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	rule := make([]string, len(widths))
	for i, n := range widths {
		rule[i] = strings.Repeat("-", max(1, n))
	}
	for _, line := range slices.Insert(table, 1, rule) {
		var b strings.Builder
		for i, cell := range line {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-len([]rune(cell))))
		}
		if _, err := fmt.Fprintln(w, b.String()+"|"); err != nil {
			return err
		}
	}
	return nil
}
