package join

import (
	"math/rand/v2"
	"testing"

	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
)

// A mark says of each position what a plain set would, and holds no more than the
// gaps between them.
func TestMarkIsASet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		m, set := mark{}, map[uint64]bool{}
		for range r.IntN(40) {
			seq := 1 + r.Uint64N(30)
			if r.IntN(8) == 0 {
				m.raise(seq)
				for i := uint64(1); i <= seq; i++ {
					set[i] = true
				}
			} else {
				m.add(seq)
				set[seq] = true
			}
			gaps := 0
			for i := uint64(1); i <= 32; i++ {
				assert.Equal(t, set[i], m.has(i), "%d in %+v", i, m)
				if set[i] && !set[i-1] && i > 1 {
					gaps++
				}
			}
			if len(m.above) != gaps {
				t.Fatalf("%d spans for %d gaps: %+v", len(m.above), gaps, m)
			}
		}
		en := &entry{marks: []mark{m}}
		back, err := decodeEntry(en.encode())
		assert.NoError(t, err)
		assert.Equal(t, m.floor, back.marks[0].floor)
		assert.ElementsMatch(t, m.above, back.marks[0].above)
	}
}

// A queue's events leave no trace but the gaps, whichever dependency they serve.
func TestQueueRemembersGapsOnly(t *testing.T) {
	en := new(entry)
	for seq := uint64(1); seq <= 10_000; seq++ {
		if seq != 5000 {
			en.note(bus.Pos{Log: "log", Seq: seq}, []string{[]string{"a", "b"}[seq%2]}, true)
		}
	}
	assert.Less(t, len(en.encode()), 50)
	assert.True(t, en.taken("a", bus.Pos{Log: "log", Seq: 9999}))
	assert.False(t, en.taken("a", bus.Pos{Log: "log", Seq: 5000}))
	assert.False(t, en.taken("a", bus.Pos{Log: "other", Seq: 1}))
}
