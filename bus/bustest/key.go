package bustest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hearken-go/hearken/bus"
)

func keyCases() []storeCase {
	const keys = "Keys may hold any characters, and are not empty."
	return []storeCase{
		{name: "Store/keys of any characters", clause: keys, prove: oddKeys},
		{name: "Store/keys that look alike", clause: keys, prove: keysAlike},
		{name: "Store/keys of any length", clause: "Every store takes those of up to 1 KiB.", prove: longKeys},
	}
}

func oddKeys(p *storeProbe) {
	s := p.open()
	want := map[string]string{}
	for _, name := range oddNames() {
		want[name], want["prefix/"+name] = "value of "+name, "other of "+name
	}
	for key, value := range want {
		p.update(s, key, to(value))
	}
	for key, value := range want {
		p.want(s, key, value)
	}
	p.wantList(p.elsewhere(s), "", want)
}

// keysAlike sets keys that differ in case, in their slashes, or only in how
// Unicode writes them.
func keysAlike(p *storeProbe) {
	s := p.open()
	want := map[string]string{}
	for i, key := range []string{
		"key", "KEY", "Key", "/key", "key/", "/key/", "//key", "key//", "a/b", "a//b", "a/./b", "a/../a/b", "A/b", "/", "//", "///", "a/b/", "a%2Fb",
		"\u00e9", "e\u0301", "K", "\u212a", "a\x00", "a\xff", "a\xfe", "key ", " key", strings.Repeat("/", 40), strings.Repeat("/", 41),
	} {
		want[key] = fmt.Sprint("value ", i)
		p.update(s, key, to(want[key]))
	}
	for key, value := range want {
		p.want(s, key, value)
	}
	p.wantList(s, "", want)
	p.wantList(s, "/", having(want, "/"))
	p.wantList(s, "a/", having(want, "a/"))
	p.update(s, "key/", remove)
	delete(want, "key/")
	p.wantList(p.elsewhere(s), "", want)
}

// having returns those of entries whose key has the prefix.
func having(entries map[string]string, prefix string) map[string]string {
	some := map[string]string{}
	for key, value := range entries {
		if strings.HasPrefix(key, prefix) {
			some[key] = value
		}
	}
	return some
}

// longKeys sets longer and longer keys, two of each length that differ at their
// end. Those of more than 1 KiB may be rejected, and then are not there.
func longKeys(p *storeProbe) {
	s := p.open()
	want := map[string]string{}
	for _, size := range []int{100, 255, 256, 1000, 1024, 4 << 10, 20 << 10, 64 << 10, 200 << 10} {
		for _, key := range []string{
			strings.Repeat("k", size-1) + "1", strings.Repeat("k", size-1) + "2", strings.Repeat("k/", size/2-1) + "/1", strings.Repeat("\xff", size),
		} {
			if p.takesKey(s, key) {
				want[key] = fmt.Sprint(len(want))
				p.update(s, key, to(want[key]))
			} else if size <= 1<<10 {
				p.failf("a key of %d bytes was rejected: %.20q…", len(key), key)
			}
		}
	}
	for key, value := range want {
		p.want(s, key, value)
	}
	p.wantList(s, "", want)
}

// takesKey reports whether s takes a key; it may refuse only with ErrRejected.
func (p *storeProbe) takesKey(s bus.Store, key string) bool {
	taken := true
	p.do(fmt.Sprintf("Update of a key of %d bytes", len(key)), func(ctx context.Context) error {
		err := s.Update(ctx, key, to("value"))
		if errors.Is(err, bus.ErrRejected) {
			taken = false
			return nil
		}
		return err
	})
	return taken
}
