package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hearken-go/hearken/bus"
)

func updateCases() []storeCase {
	const (
		swap  = "Update sets key to what f makes of its present value, by compare and swap"
		fails = "An error of f ends the update, changes nothing and is returned as it is."
		lost  = "updates are written so that doing them twice is harmless."
	)
	loses := func(h StoreHarness) bool { return h.LoseAnswers != nil }
	return []storeCase{
		{name: "Store/Update/gets the present value", clause: swap, prove: updateOld},
		{name: "Store/Update/many at once", clause: swap, prove: updateConcurrently},
		{
			name: "Store/Update/another comes between", prove: updateBetween,
			clause: "When another update comes between, f is called again with the newer value, so it has no effects of its own.",
		},
		{name: "Store/Update/nil deletes", clause: "f gets nil when there is none, and returns nil to delete.", prove: updateDelete},
		{name: "Store/Update/empty is a value", clause: "An empty value that is not nil is a value.", prove: updateEmpty},
		{name: "Store/Update/an error changes nothing", clause: fails, prove: updateError},
		{
			name: "Store/Update/too large", clause: "A key or value too large is ErrRejected, and changes nothing.", prove: updateTooLarge,
			needs: func(h StoreHarness) bool { return h.TooLarge > 0 },
		},
		{name: "Store/Update/with its answer lost", clause: lost, needs: loses, prove: updateAnswerLost},
		{name: "Store/Update/with its answer lost, overwrites nobody", clause: swap, needs: loses, prove: updateLostOverwrites},
		{name: "Store/Update/with its answer lost, and another between", clause: swap, needs: loses, prove: updateLostBetween},
	}
}

var errStop = errors.New("f's own error")

func updateOld(p *storeProbe) {
	s := p.open()
	for i := range 5 {
		p.update(s, "key", func(old []byte) ([]byte, error) {
			if want := strings.Repeat("x", i); string(old) != want || (old == nil) != (i == 0) {
				return nil, fmt.Errorf("f got %q (nil: %t), want %q", old, old == nil, want)
			}
			return append(old, 'x'), nil
		})
	}
	p.want(s, "key", "xxxxx")
}

// increment is an update that counts.
func increment(old []byte) ([]byte, error) {
	n, err := strconv.Atoi("0" + string(old))
	return []byte(strconv.Itoa(n + 1)), err
}

func updateConcurrently(p *storeProbe) {
	const updaters, each = 8, 20
	s := p.open()
	other := p.elsewhere(s)
	p.parallel(updaters, func(ctx context.Context, i int) error {
		for n := range each {
			if err := []bus.Store{s, other}[n%2].Update(ctx, "counter", increment); err != nil {
				return fmt.Errorf("Update: %w", err)
			}
		}
		return nil
	})
	p.want(s, "counter", strconv.Itoa(updaters*each))
}

// updateBetween makes another update within f, when f is called first.
func updateBetween(p *storeProbe) {
	s := p.open()
	for _, between := range []string{"created", "changed", "", "back"} {
		var olds []string
		p.update(s, "key", func(old []byte) ([]byte, error) {
			if len(olds) == 0 {
				change := to(between)
				if between == "" {
					change = remove
				}
				p.update(p.elsewhere(s), "key", change)
			}
			olds = append(olds, string(old))
			return append([]byte("after "), old...), nil
		})
		if len(olds) < 2 || olds[len(olds)-1] != between {
			p.failf("the value became %q while f ran, but f was called with %q", between, olds)
		}
		p.want(s, "key", "after "+between)
	}
}

func updateDelete(p *storeProbe) {
	s := p.open()
	p.update(s, "key", remove)
	p.wantNone(s, "key")
	p.update(s, "key", to("value"))
	p.update(s, "key", remove)
	p.wantNone(s, "key")
	p.update(s, "key", func(old []byte) ([]byte, error) {
		if old != nil {
			return nil, fmt.Errorf("f got %q for a deleted key, want nil", old)
		}
		return []byte("again"), nil
	})
	p.want(s, "key", "again")
}

func updateEmpty(p *storeProbe) {
	s := p.open()
	p.update(s, "key", to(""))
	p.want(s, "key", "")
	p.wantList(s, "", map[string]string{"key": ""})
	p.update(s, "key", func(old []byte) ([]byte, error) {
		if old == nil {
			return nil, errors.New("f got nil for an empty value")
		}
		return []byte("value"), nil
	})
	p.want(s, "key", "value")
}

func updateError(p *storeProbe) {
	s := p.open()
	p.refuse(s, "none", errStop)
	p.wantNone(s, "none")
	p.update(s, "key", to("value"))
	p.refuse(s, "key", errStop)
	p.want(s, "key", "value")
}

// refuse makes an update whose f changes what it is given and returns err.
func (p *storeProbe) refuse(s bus.Store, key string, err error) {
	p.do(fmt.Sprintf("Update %q", key), func(ctx context.Context) error {
		got := s.Update(ctx, key, func(old []byte) ([]byte, error) {
			for i := range old {
				old[i] = '!'
			}
			return []byte("changed"), err
		})
		if got != err { //nolint:errorlint // as it is: not wrapped
			return errorf("%w, want the error of f as it is", got)
		}
		return nil
	})
}

// updateTooLarge finds the largest value that the store takes.
func updateTooLarge(p *storeProbe) {
	s := p.open()
	size := 0
	for low, high := 1, p.h.TooLarge; low < high; {
		mid := (low + high) / 2
		if p.takes(s, mid) {
			size, low = mid, mid+1
			p.want(s, "key", strings.Repeat("x", mid))
		} else {
			high = mid
		}
	}
	if p.takes(s, p.h.TooLarge) {
		p.failf("a value of %d bytes was taken, which the harness says is too large", p.h.TooLarge)
	}
	p.want(s, "key", strings.Repeat("x", size))
	p.wantList(s, "", map[string]string{"key": strings.Repeat("x", size)})
}

// takes reports whether s takes a value of that size; it may refuse only with
// ErrRejected.
func (p *storeProbe) takes(s bus.Store, size int) bool {
	var rejected bool
	p.do(fmt.Sprintf("Update to %d bytes", size), func(ctx context.Context) error {
		err := s.Update(ctx, "key", to(strings.Repeat("x", size)))
		if rejected = errors.Is(err, bus.ErrRejected); rejected {
			return nil
		}
		return err
	})
	return !rejected
}

// insert is an update that adds a word to a sorted set: doing it twice is
// harmless.
func insert(word string) func([]byte) ([]byte, error) {
	return func(old []byte) ([]byte, error) {
		words := append(strings.Fields(string(old)), word)
		slices.Sort(words)
		return []byte(strings.Join(slices.Compact(words), " ")), nil
	}
}

// unanswered makes an update whose answer is lost for a while.
func (p *storeProbe) unanswered(s bus.Store, f func([]byte) ([]byte, error)) error {
	p.h.LoseAnswers(p.t, s, true)
	defer p.h.LoseAnswers(p.t, s, false)
	ctx, cancel := context.WithTimeout(p.t.Context(), p.wait/60)
	defer cancel()
	return s.Update(ctx, "key", f)
}

func updateAnswerLost(p *storeProbe) {
	s := p.open()
	p.update(s, "key", insert("a"))
	if err := p.unanswered(s, insert("b")); err == nil {
		p.want(s, "key", "a b")
	}
	p.update(s, "key", insert("b"))
	p.update(s, "key", insert("c"))
	p.want(s, "key", "a b c")
}

// updateLostOverwrites lets another process update the value before the answer
// that was lost is asked for again.
func updateLostOverwrites(p *storeProbe) {
	s := p.open()
	other := p.elsewhere(s)
	p.update(s, "key", insert("a"))
	if err := p.unanswered(s, insert("b")); errors.Is(err, bus.ErrRejected) {
		p.failf("Update with its answer lost: %v", err)
	}
	p.update(other, "key", insert("c"))
	p.update(s, "key", insert("b"))
	p.want(s, "key", "a b c")
	p.want(other, "key", "a b c")
}

// updateLostBetween lets another process update the value while the update whose
// answer was lost goes on. It may find out and return nil, or give up.
func updateLostBetween(p *storeProbe) {
	s := p.open()
	other := p.elsewhere(s)
	p.update(s, "key", insert("a"))
	ctx, cancel := context.WithTimeout(p.t.Context(), p.wait/2)
	defer cancel()
	var once sync.Once
	answer := make(chan error, 1)
	go func() {
		answer <- s.Update(ctx, "key", func(old []byte) ([]byte, error) {
			once.Do(func() { p.h.LoseAnswers(p.t, s, true) }) // it was read, and is about to be written
			return insert("b")(old)
		})
	}()
	p.eventually("an update whose answer is lost is stored", func() bool { return string(p.get(other, "key")) == "a b" })
	p.update(other, "key", insert("c"))
	p.h.LoseAnswers(p.t, s, false)
	if err := <-answer; err == nil {
		p.want(s, "key", "a b c")
	}
	p.update(s, "key", insert("b"))
	p.want(other, "key", "a b c")
}
