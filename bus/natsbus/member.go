package natsbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// memberTTL is for how long a member that died without Close still counts
	// as one that lists its topics.
	memberTTL     = time.Minute
	memberRefresh = memberTTL / 3
	// lockTTL frees the lock of a process that died holding it. No change to a
	// consumer takes nearly as long.
	lockTTL   = 10 * time.Second
	lockRetry = 20 * time.Millisecond
)

// The server has no compare-and-swap for consumers: two members that add topics
// at once could each undo what the other added, and with it lose events. So
// whoever changes a consumer, or relies on what it saw of one, holds the group's
// lock, and says first which topics it lists.

// lock takes the lock of the group with the given id.
func (b *Bus) lock(ctx context.Context, id string) (unlock func(), err error) {
	m := &nats.Msg{Subject: b.cfg.Name + ".groups.lock." + id}
	for {
		ack, err := b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithMsgTTL(lockTTL))
		if err == nil {
			return func() { b.unlock(ctx, ack.Sequence) }, nil
		}
		if !hasCode(err, codeWrongLastSequence, codeWrongLast) {
			return nil, fmt.Errorf("natsbus: lock of the group: %w", err)
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			return nil, fmt.Errorf("natsbus: lock of the group: %w", ctx.Err())
		}
	}
}

func (b *Bus) unlock(ctx context.Context, seq uint64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := b.groups.DeleteMsg(ctx, seq); err != nil && !isGone(err) {
		b.cfg.Logger.WarnContext(ctx, "group stays locked until its lock expires", "error", err, "expires", lockTTL)
	}
}

func (b *Bus) memberSubject(id, member string) string {
	return b.cfg.Name + ".groups.member." + id + "." + member
}

// announce says which subjects a member lists, for memberTTL.
func (b *Bus) announce(ctx context.Context, id, member string, subjects []string) error {
	m := &nats.Msg{Subject: b.memberSubject(id, member), Data: []byte(strings.Join(subjects, " "))}
	if _, err := b.js.PublishMsg(ctx, m, jetstream.WithMsgTTL(memberTTL)); err != nil {
		return fmt.Errorf("natsbus: announce the member: %w", err)
	}
	return nil
}

// withdraw takes back what announce said, for one member or with "*" for all.
func (b *Bus) withdraw(ctx context.Context, id, member string) error {
	if err := b.groups.Purge(ctx, jetstream.WithPurgeSubject(b.memberSubject(id, member))); err != nil {
		return fmt.Errorf("natsbus: withdraw the member: %w", err)
	}
	return nil
}

// listed returns the subjects that the members of a group list.
func (b *Bus) listed(ctx context.Context, id string) (map[string]bool, error) {
	info, err := b.groups.Info(ctx, jetstream.WithSubjectFilter(b.memberSubject(id, "*")))
	if err != nil {
		return nil, fmt.Errorf("natsbus: members of the group: %w", err)
	}
	listed := map[string]bool{}
	for subject := range info.State.Subjects {
		m, err := b.groups.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // left meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("natsbus: members of the group: %w", err)
		}
		for s := range strings.FieldsSeq(string(m.Data)) {
			listed[s] = true
		}
	}
	return listed, nil
}

// isGone reports whether a message was to be read or deleted that is not there.
func isGone(err error) bool {
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		text := err.Error()
		return strings.Contains(text, "not found") || strings.Contains(text, "no message found") || strings.Contains(text, "deleted message")
	}
	return errors.Is(err, jetstream.ErrMsgNotFound)
}
