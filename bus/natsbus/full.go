package natsbus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hearken-go/hearken/bus"
)

// holderAge is for how long a full bus names the same holder before it looks
// again: the listing asks the server about every group.
const holderAge = 2 * time.Second

// fullness remembers which group holds most.
type fullness struct {
	mu     sync.Mutex
	text   string
	looked time.Time
}

// full returns bus.ErrFull with the name of the group that holds most.
func (b *Bus) full(ctx context.Context, cause error) error {
	return fmt.Errorf("%w: %w; %s", bus.ErrFull, cause, b.holder(ctx))
}

// holder describes the group that holds most. A listing is made by one caller
// at a time; the others, a flood of refused publishers, get the last answer.
func (b *Bus) holder(ctx context.Context) string {
	f := &b.fullness
	f.mu.Lock()
	if !f.looked.IsZero() && time.Since(f.looked) < holderAge {
		defer f.mu.Unlock()
		return f.text
	}
	f.looked = time.Now()
	if f.text == "" {
		f.text = "the group that holds most is being looked for"
	}
	f.mu.Unlock()

	text := b.findHolder(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text = text
	if text == nobody {
		f.looked = time.Time{} // the server's counts come late: ask again
	}
	return text
}

const nobody = "no group is known yet to hold anything"

func (b *Bus) findHolder(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	groups, err := b.consumers(ctx, b.events)
	if err != nil {
		return "the group that holds most is unknown: " + err.Error()
	}
	most := consumerState{}
	for _, g := range groups {
		if g.backlog > most.backlog {
			most = g
		}
	}
	if most.backlog == 0 {
		return nobody
	}
	return fmt.Sprintf("group %q holds most, %d events", most.group, most.backlog)
}
