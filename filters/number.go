package filters

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Number is a Go number of any size.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr |
		~float32 | ~float64
}

// Less matches a number below n.
func Less[N Number](n N) Matcher { return bound{"<", numberFrom(n)} }

// AtMost matches a number that is n or below.
func AtMost[N Number](n N) Matcher { return bound{"<=", numberFrom(n)} }

// Greater matches a number above n.
func Greater[N Number](n N) Matcher { return bound{">", numberFrom(n)} }

// AtLeast matches a number that is n or above.
func AtLeast[N Number](n N) Matcher { return bound{">=", numberFrom(n)} }

// Between matches a number from low to high, both included.
func Between[N Number](low, high N) Matcher {
	b := between{numberFrom(low), numberFrom(high), ""}
	if low > high {
		b.wrong = fmt.Sprintf("Between(%v, %v): nothing lies between", b.low, b.high)
	}
	return b
}

type bound struct {
	op string
	n  number
}

func (b bound) match(v value) bool {
	c, ok := b.n.compare(v)
	if !ok {
		return false
	}
	switch b.op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}

func (b bound) mistake() string { return b.n.mistake() }
func (b bound) String() string  { return b.op + " " + b.n.String() }

type between struct {
	low, high number
	wrong     string
}

func (b between) match(v value) bool {
	c, ok := b.low.compare(v)
	if !ok || c < 0 {
		return false
	}
	c, _ = b.high.compare(v)
	return c <= 0
}

func (b between) mistake() string { return cmp.Or(b.low.mistake(), b.high.mistake(), b.wrong) }
func (b between) String() string  { return b.low.String() + " to " + b.high.String() }

// number is a wanted number: one of a signed integer, an unsigned one that no
// int64 holds, or a float.
type number struct {
	kind reflect.Kind // Int64, Uint64 or Float64
	i    int64
	u    uint64
	f    float64
}

func numberFrom[N Number](n N) number {
	num, _ := numberOf(reflect.ValueOf(n))
	return num
}

func numberOf(r reflect.Value) (number, bool) {
	switch {
	case r.CanInt():
		return number{kind: reflect.Int64, i: r.Int()}, true
	case r.CanUint() && r.Uint() <= math.MaxInt64:
		return number{kind: reflect.Int64, i: int64(r.Uint())}, true
	case r.CanUint():
		return number{kind: reflect.Uint64, u: r.Uint()}, true
	case r.Kind() == reflect.Float32: // 0.1 is meant to be 0.1, not 0.10000000149
		f, _ := strconv.ParseFloat(strconv.FormatFloat(r.Float(), 'g', -1, 32), 64)
		return number{kind: reflect.Float64, f: f}, true
	case r.CanFloat():
		return number{kind: reflect.Float64, f: r.Float()}, true
	}
	return number{}, false
}

func parsedNumber(s string) (Matcher, string) {
	v := value{kind: attributeText, text: s}.asNumber()
	if v.kind != numeric {
		return nil, fmt.Sprintf("json.Number(%q) is no number", s)
	}
	if i, ok := integer(s); ok {
		return number{kind: reflect.Int64, i: i}, ""
	}
	if u, ok := unsigned(s); ok {
		return number{kind: reflect.Uint64, u: u}, ""
	}
	return number{kind: reflect.Float64, f: v.num}, ""
}

func (n number) match(v value) bool {
	c, ok := n.compare(v)
	return ok && c == 0
}

func (n number) mistake() string {
	if math.IsNaN(n.f) || math.IsInf(n.f, 0) {
		return n.String() + " is no JSON number"
	}
	return ""
}

func (n number) String() string {
	switch n.kind {
	case reflect.Int64:
		return strconv.FormatInt(n.i, 10)
	case reflect.Uint64:
		return strconv.FormatUint(n.u, 10)
	default:
		return strconv.FormatFloat(n.f, 'g', -1, 64)
	}
}

// compare returns the order of v and n; false if v is no number.
func (n number) compare(v value) (int, bool) {
	v = v.asNumber()
	if v.kind != numeric || math.IsNaN(v.num) {
		return 0, false
	}
	if n.kind == reflect.Float64 {
		return cmp.Compare(v.num, n.f), true
	}
	if i, ok := integer(v.text); ok {
		if n.kind == reflect.Uint64 {
			return -1, true
		}
		return cmp.Compare(i, n.i), true
	}
	if u, ok := unsigned(v.text); ok {
		if n.kind == reflect.Int64 {
			return 1, true
		}
		return cmp.Compare(u, n.u), true
	}
	return n.compareFloat(v.num), true
}

// compareFloat returns the exact order of f and the integer n.
func (n number) compareFloat(f float64) int {
	switch {
	case n.kind == reflect.Uint64 && f >= 1<<64, n.kind == reflect.Int64 && f >= 1<<63:
		return 1
	case n.kind == reflect.Uint64 && f < 1<<63, f < -1<<63:
		return -1
	case n.kind == reflect.Uint64: // a float of this size has no fraction
		return cmp.Compare(uint64(f), n.u)
	}
	whole := math.Trunc(f)
	return cmp.Or(cmp.Compare(int64(whole), n.i), cmp.Compare(f, whole))
}

// asNumber takes the text of an attribute for a number, if it is one in JSON's
// syntax.
func (v value) asNumber() value {
	if v.kind != attributeText || strings.Trim(v.text, "0123456789+-.eE") != "" || !gjson.Valid(v.text) {
		return v
	}
	f, err := strconv.ParseFloat(v.text, 64)
	if err != nil {
		return v // it is too large
	}
	return value{kind: numeric, text: v.text, num: f}
}

// integer parses an integer that fits in 64 bits. Unlike package strconv it
// allocates nothing for what is none.
func integer(s string) (int64, bool) {
	digits := strings.TrimPrefix(s, "-")
	u, ok := unsigned(digits)
	switch {
	case !ok:
		return 0, false
	case len(digits) < len(s):
		return -int64(u), u <= 1<<63
	default:
		return int64(u), u <= math.MaxInt64
	}
}

func unsigned(s string) (uint64, bool) {
	if s == "" || len(s) > 20 {
		return 0, false
	}
	var u uint64
	for _, c := range []byte(s) {
		d := uint64(c - '0')
		if d > 9 || u > (math.MaxUint64-d)/10 {
			return 0, false
		}
		u = u*10 + d
	}
	return u, true
}
