package join

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/hearken-go/hearken/bus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func someEntry() *entry {
	at := time.Unix(1_700_000_000, 123_456_789)
	r := ref{
		pos: bus.Pos{Log: "stream/1", Seq: math.MaxUint64}, stored: at, deadline: deadline{at: at.Add(time.Hour), reset: true},
		bucket: 28_333_333, part: true, version: "v", deps: []string{"", "a", "\x00=;\xff", strings.Repeat("long", 100)},
		identity: [16]byte{1, 2, 3},
	}
	waits := r
	waits.pos, waits.deadline, waits.bucket, waits.part = bus.Pos{Log: "other", Seq: 1}, deadline{}, 0, false
	return &entry{
		action: "action", keyed: true, key: "key\xff\x00", last: at,
		marks:  []mark{{dep: "a", log: "stream/1", floor: 7, above: []span{{9, 10}, {math.MaxUint64, math.MaxUint64}}}, {dep: "", log: "other", above: []span{}}},
		parts:  []ref{r, waits},
		firing: []pending{{id: [16]byte{9}, pos: waits.pos, refs: []ref{waits}}},
	}
}

func TestEntryRoundTrip(t *testing.T) {
	for name, en := range map[string]*entry{
		"full":  someEntry(),
		"empty": {marks: []mark{}, parts: []ref{}, firing: []pending{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := en.encode()
			got, err := decodeEntry(b)
			require.NoError(t, err)
			en.size = len(b)
			assert.Equal(t, en, got)
		})
	}
	none, err := decodeEntry(nil)
	require.NoError(t, err)
	assert.Equal(t, &entry{}, none)
}

func somePart(t testing.TB) []byte {
	t.Helper()
	a := arrive("key", 3, "a", "b")
	a.Stored = time.Unix(1_700_000_000, 5)
	a.Event.Original.SetExtension("traceparent", "00-1-2-01")
	view := a.Event.Original.Clone()
	view.DataEncoded = []byte{0xff, 0x00}
	none := event.New()
	none.SetID("1")
	none.SetSource("s")
	none.SetType("t")
	a.Event.Views = map[string]event.Event{"b": view, "no data": none}
	b, err := encodePart("action", a)
	require.NoError(t, err)
	return b
}

func TestPartRoundTrip(t *testing.T) {
	b := somePart(t)
	p, err := decodePart(b)
	require.NoError(t, err)
	assert.Equal(t, "action", p.action)
	assert.Equal(t, bus.Pos{Log: testLog, Seq: 3}, p.ref.pos)
	assert.True(t, p.ref.stored.Equal(time.Unix(1_700_000_000, 5)))
	assert.Equal(t, bus.Topic{EventSource: "source", Event: "event"}, p.Topic)
	assert.Equal(t, []string{"a", "b"}, p.Dependencies)
	assert.JSONEq(t, `{"n":1}`, string(p.Original.Data()))
	assert.Equal(t, "00-1-2-01", p.Original.Extensions()["traceparent"])
	assert.Equal(t, []byte{0xff, 0x00}, p.Views["b"].DataEncoded)
	assert.Nil(t, p.Views["no data"].DataEncoded)

	clear(b)
	assert.JSONEq(t, `{"n":1}`, string(p.Original.Data()), "nothing of it is kept")
}

func TestRunningRoundTrip(t *testing.T) {
	v := running{action: "a", versions: map[string]time.Time{"": time.Unix(5, 6), "v2": time.Unix(7, 0)}}
	got, err := decodeRunning(v.encode())
	require.NoError(t, err)
	assert.Equal(t, v, got)
	got, err = decodeRunning([]byte("{}"))
	require.ErrorIs(t, err, errCorrupt)
	assert.Empty(t, got.versions)
}

// TestDamage changes each bit and cuts each length: each is an error.
func TestDamage(t *testing.T) {
	for name, b := range map[string][]byte{"entry": someEntry().encode(), "part": somePart(t)} {
		decode := func(b []byte) error {
			if name == "part" {
				_, err := decodePart(b)
				return err
			}
			_, err := decodeEntry(b)
			return err
		}
		for i := range b {
			require.ErrorIs(t, decode(b[:i:i]), errCorrupt, "%s cut at %d", name, i)
			for bit := range 8 {
				damaged := bytes.Clone(b)
				damaged[i] ^= 1 << bit
				require.ErrorIs(t, decode(damaged), errCorrupt, "%s at %d", name, i)
			}
		}
	}
}

// framed gives a body that a fuzzer made the frame that it would not find.
func framed(body []byte) []byte {
	b := append([]byte{format}, body...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func body(b []byte) []byte { return b[1 : len(b)-crc32.Size] }

func FuzzDecodeEntry(f *testing.F) {
	f.Add(body(someEntry().encode()))
	f.Add(body(new(entry).encode()))
	f.Add([]byte{0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := decodeEntry(b)
		if len(b) > 4 && err == nil {
			return // the fuzzer found a checksum
		}
		en, err := decodeEntry(framed(b))
		if err != nil {
			require.ErrorIs(t, err, errCorrupt)
			return
		}
		again, err := decodeEntry(en.encode())
		require.NoError(t, err)
		again.size = en.size
		require.Equal(t, en, again)
		require.LessOrEqual(t, len(en.marks)+len(en.parts)+len(en.firing), len(b), "of what there is")
	})
}

func FuzzDecodePart(f *testing.F) {
	f.Add(body(somePart(f)))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePart(framed(b))
		if err != nil {
			require.ErrorIs(t, err, errCorrupt)
			return
		}
		require.LessOrEqual(t, len(p.Dependencies)+len(p.Views), len(b), "of what there is")
	})
}

func TestCountsAllocateNoMoreThanThereIs(t *testing.T) {
	// An entry of no bytes that says that it has 2^62 marks.
	huge := framed(append([]byte{0, 0, 0, 0, 0}, binary.AppendUvarint(nil, 1<<62)...))
	assert.Less(t, testing.AllocsPerRun(10, func() {
		_, err := decodeEntry(huge)
		require.ErrorIs(t, err, errCorrupt)
	}), 50.0)
	// Nor does one of a million bytes have a million marks.
	many := framed(append(binary.AppendUvarint([]byte{0, 0, 0, 0, 0}, 1_000_000), make([]byte, 1_000_001)...))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decodeEntry(many)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, errCorrupt)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
}
