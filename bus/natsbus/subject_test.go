package natsbus_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/bus"
	"github.com/hearken-go/hearken/bus/natsbus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTokens(t *testing.T) {
	for name, want := range map[string]string{
		"webhook": "webhook", "my-source_1": "my-source_1", "": "=", "=": "=3D", "a.b": "a=2Eb", "*": "=2A", ">": "=3E",
		" ": "=20", "ü": "=C3=BC", "\xff": "=FF", "==": "=3D=3D",
	} {
		assert.Equal(t, want, natsbus.Token(name))
		back, err := natsbus.Untoken(want)
		require.NoError(t, err)
		assert.Equal(t, name, back)
	}
	for _, bad := range []string{"=2", "a=", "=ZZ"} {
		_, err := natsbus.Untoken(bad)
		require.Error(t, err, bad)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("a.b")
	f.Fuzz(func(t *testing.T, name string) {
		tok := natsbus.Token(name)
		if strings.ContainsAny(tok, ".*> \t\r\n") || tok == "" {
			t.Fatalf("%q is no token", tok)
		}
		back, err := natsbus.Untoken(tok)
		if err != nil || back != name {
			t.Fatalf("%q came back as %q, %v", name, back, err)
		}
	})
}

func TestSubjects(t *testing.T) {
	for subject, topic := range map[string]bus.Topic{
		"n.events.webhook.example":    {EventSource: "webhook", Event: "example"},
		"n.events.=.a=2Eb":            {EventSource: "", Event: "a.b"},
		"n.deadletters.greet":         {EventSource: bus.DeadLetterSource, Event: "greet"},
		"n.deadletters.=2A":           {EventSource: bus.DeadLetterSource, Event: "*"},
		"n.events.=24DeadLetters.one": {EventSource: "$DeadLetters", Event: "one"},
	} {
		got, err := natsbus.SubjectOf("n", topic)
		require.NoError(t, err)
		assert.Equal(t, subject, got)
		back, err := natsbus.TopicOf("n", subject)
		require.NoError(t, err)
		assert.Equal(t, topic, back)
	}
	_, err := natsbus.SubjectOf("n", bus.Topic{EventSource: strings.Repeat("x", 3000)})
	require.ErrorIs(t, err, bus.ErrRejected)
	for _, bad := range []string{"other.events.a.b", "n.events.a", "n.events.=1.a", "n.events.a.=1"} {
		_, err := natsbus.TopicOf("n", bad)
		require.Error(t, err, bad)
	}
}

func TestGroupID(t *testing.T) {
	assert.Regexp(t, `^quickstart-greet-[0-9a-f]{16}$`, natsbus.GroupID("quickstart-greet"))
	assert.Regexp(t, `^a_b__-[0-9a-f]{16}$`, natsbus.GroupID("a b.*"))
	assert.NotEqual(t, natsbus.GroupID("A"), natsbus.GroupID("a"))
	assert.LessOrEqual(t, len(natsbus.GroupID(strings.Repeat("long", 100))), 60)
}

func TestTopicSet(t *testing.T) {
	s := natsbus.TopicSet{"n.events.a.b": 0, "n.events.c.d": 17}
	text, err := s.Encode("n.events.")
	require.NoError(t, err)
	assert.Equal(t, "a.b c.d@17", text)
	back, err := natsbus.DecodeTopics("n.events.", text)
	require.NoError(t, err)
	assert.Equal(t, s, back)
	assert.Equal(t, []string{"n.events.x.y"}, s.Missing([]string{"n.events.a.b", "n.events.x.y"}))
	_, err = natsbus.DecodeTopics("n.events.", "a.b@x")
	require.Error(t, err)
}

func TestTooManyTopics(t *testing.T) {
	s := natsbus.TopicSet{}
	for i := range 10_000 {
		s[fmt.Sprintf("n.events.a.an-event-with-a-long-name-%d", i)] = 0
	}
	_, err := s.Encode("n.events.")
	require.ErrorContains(t, err, "too many")
}

// No two filters overlap, they are few, and they take every topic.
func TestFilters(t *testing.T) {
	many := func(sources, events int) natsbus.TopicSet {
		s := natsbus.TopicSet{}
		for i := range sources {
			for j := range events {
				s[fmt.Sprintf("n.events.s%d.e%d", i, j)] = 0
			}
		}
		return s
	}
	letters := natsbus.TopicSet{}
	for i := range natsbus.MaxFilters + 1 {
		letters[fmt.Sprintf("n.deadletters.l%d", i)] = 0
	}
	mixed := many(1, natsbus.MaxFilters)
	maps.Copy(mixed, natsbus.TopicSet{"n.events.other.one": 0, "n.events.other.two": 0})
	tests := []struct {
		name   string
		prefix string
		set    natsbus.TopicSet
		want   []string // nil: all of set
	}{
		{"few", "n.events.", many(2, 3), nil},
		{"as many as are fast", "n.events.", many(1, natsbus.MaxFilters), nil},
		{"one more", "n.events.", many(1, natsbus.MaxFilters+1), []string{"n.events.s0.*"}},
		{"the largest source gives way", "n.events.", mixed, []string{"n.events.other.one", "n.events.other.two", "n.events.s0.*"}},
		{"too many sources", "n.events.", many(natsbus.MaxFilters+1, 1), []string{"n.events.>"}},
		{"dead letters", "n.deadletters.", letters, []string{"n.deadletters.>"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == nil {
				want = slices.Sorted(maps.Keys(tt.set))
			}
			assert.Equal(t, want, tt.set.Filters(tt.prefix))
		})
	}
}

func TestStoreSubjects(t *testing.T) {
	assert.Equal(t, "kv.a.b=2E.=", natsbus.KeySubject("a/b./"))
	assert.Equal(t, "kv.a.>", natsbus.KeyFilter("a/b"))
	assert.Equal(t, "kv.>", natsbus.KeyFilter("a"))
	assert.Equal(t, "kv.>", natsbus.KeyFilter(strings.Repeat("/", 20)))
	long := strings.Repeat("x", 500)
	assert.Regexp(t, `^kv\.a\.=h[0-9a-f]{32}$`, natsbus.KeySubject("a/"+long))
	assert.NotEqual(t, natsbus.KeySubject(long+"1"), natsbus.KeySubject(long+"2"))
	deep := strings.Repeat("a/", 30)
	assert.Equal(t, 16, strings.Count(natsbus.KeySubject(deep), "."), "a key of many segments")
	assert.NotEqual(t, natsbus.KeySubject(deep+"b"), natsbus.KeySubject(deep+"c"))
}

// FuzzStoreSubject proves that List finds each key by each of its prefixes.
func FuzzStoreSubject(f *testing.F) {
	f.Add("a/b/c", 3)
	f.Fuzz(func(t *testing.T, key string, n int) {
		if n < 0 || n > len(key) {
			return
		}
		subject, filter := natsbus.KeySubject(key), natsbus.KeyFilter(key[:n])
		if rest, ok := strings.CutPrefix(subject, strings.TrimSuffix(filter, ">")); !ok || rest == "" {
			t.Fatalf("filter %q of prefix %q does not take key %q under %q", filter, key[:n], key, subject)
		}
	})
}

func TestPlaceOfReply(t *testing.T) {
	want := natsbus.Place{Seq: 42, Attempt: 3, Stored: time.Unix(0, 1700000000123456789)}
	for _, reply := range []string{
		"$JS.ACK.hearken.group-1.3.42.7.1700000000123456789.5",
		"$JS.ACK._.accthash.hearken.group-1.3.42.7.1700000000123456789.5.rnd",
		"$JS.ACK.hub.accthash.hearken.group-1.3.42.7.1700000000123456789.5",
	} {
		got, err := natsbus.PlaceOf(reply)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, bad := range []string{"", "_INBOX.x", "$JS.ACK.a.b.c.d.e.f.g", "$JS.ACK.a.b"} {
		_, err := natsbus.PlaceOf(bad)
		require.Error(t, err, bad)
	}
}

func TestQueue(t *testing.T) {
	var q natsbus.Queue
	next, want := uint64(0), uint64(0)
	for range 1000 {
		for range 3 {
			q.Push(next)
			next++
		}
		for range 3 {
			n, ok := q.Pop()
			require.True(t, ok)
			require.Equal(t, want, n)
			want++
		}
	}
	_, ok := q.Pop()
	assert.False(t, ok)
	q.Push(1)
	for n := range uint64(1000) {
		q.Push(n)
		q.Pop()
	}
	assert.Equal(t, 1, q.Len())
	assert.Less(t, q.Cap(), 100, "the room is used again")
}

// A topic that a member does not list is left over once it has been so for as
// long as a member that crashed may take to come back.
func TestLeftOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leftOver := natsbus.LeftOver()
		assert.False(t, leftOver(true))
		time.Sleep(natsbus.MemberTTL - time.Second)
		assert.False(t, leftOver(true))
		assert.False(t, leftOver(false), "it was listed again")
		time.Sleep(2 * time.Second)
		assert.False(t, leftOver(true))
		time.Sleep(natsbus.MemberTTL)
		assert.True(t, leftOver(true))
		assert.False(t, leftOver(true), "asking costs something")
	})
}
