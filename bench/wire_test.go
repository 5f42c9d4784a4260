package bench

import (
	"encoding/json"
	"testing"

	"github.com/hearken-go/hearken"
)

// encoded is how many events are encoded or decoded each round.
const encoded = 1_000

// BenchmarkWirePeer is the peer of row 7: sdk-go's JSON format. What Hearken does
// instead, the binary mode, is not exported, and measured beside it in the same
// run of make bench: BenchmarkEncode and BenchmarkDecode of package natsbus,
// each with its limit.
func BenchmarkWirePeer(b *testing.B) {
	e := (&eventMaker{data: []byte(greeting)}).stamped(1)[0]
	text, err := json.Marshal(e)
	if err != nil {
		b.Fatal(err)
	}
	compare(b, encoded, nil,
		perOperation("encode", func(n int) error {
			for range n {
				if _, err := json.Marshal(e); err != nil {
					return err
				}
			}
			return nil
		}),
		perOperation("decode", func(n int) error {
			for range n {
				var e hearken.Event
				if err := json.Unmarshal(text, &e); err != nil {
					return err
				}
			}
			return nil
		}))
}
