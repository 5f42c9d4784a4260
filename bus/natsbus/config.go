package natsbus

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Config says what a bus keeps and how much. The zero value is a bus on files,
// in one copy, for the one application of a NATS account.
//
// The limits of an existing bus are changed to those given; what cannot be
// changed while there is data is a [MismatchError].
type Config struct {
	// Name is the prefix of all streams and subjects of the bus: letters,
	// digits, '-' and '_'. Two buses of one NATS account have two names. Empty:
	// "hearken".
	Name string

	// Domain is the JetStream domain of the bus, where the connection leads to
	// another, such as that of a leaf node. Empty: the connection's.
	Domain string

	// Storage is where the server keeps everything. Zero: on files.
	Storage jetstream.StorageType
	// Replicas is how many servers of a cluster keep a copy. Zero: 1.
	Replicas int

	// MaxBytes bounds the events that some group has not settled yet, all
	// groups together; beyond it Publish returns bus.ErrFull. The server sets
	// the room aside. Zero: 1 GiB. Negative: no bound but the server's.
	MaxBytes int64
	// MaxEvents bounds their number. Zero: no bound.
	MaxEvents int64
	// DedupeWindow is for how long an event published again is recognised. The
	// server keeps about 100 bytes for each event of the window in memory.
	// Zero: 2 minutes.
	DedupeWindow time.Duration

	// DeadLetterMaxAge and DeadLetterMaxBytes bound the dead letters; the
	// oldest go first. Zero: 14 days and 256 MiB. Negative: no bound.
	DeadLetterMaxAge   time.Duration
	DeadLetterMaxBytes int64
	// StoreMaxBytes bounds the values of the Store; beyond it an update returns
	// bus.ErrFull. Zero: 256 MiB. Negative: no bound.
	StoreMaxBytes int64

	// AckWait is after what silence of a member its deliveries are given to
	// others; a living member is heard three times as often. At least 1 second.
	// Zero: 3 seconds.
	AckWait time.Duration
	// PublishTimeout bounds Publish, its repetitions included, when its context
	// has no deadline; half of DedupeWindow bounds it too. Zero: 5 seconds.
	PublishTimeout time.Duration

	// Logger gets what is worth knowing and no caller is told: a group that was
	// widened or narrowed, a member that could not be heard. Nil: nothing is
	// logged.
	Logger *slog.Logger
}

const (
	defaultMaxBytes   = 1 << 30
	defaultOtherBytes = 256 << 20
	defaultLetterAge  = 14 * 24 * time.Hour
)

// withDefaults returns c with its zero values filled in, or what is wrong
// with it.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Name, "hearken")
	setDefault(&c.Replicas, 1)
	setDefault(&c.MaxBytes, defaultMaxBytes)
	setDefault(&c.MaxEvents, -1)
	setDefault(&c.DedupeWindow, 2*time.Minute)
	setDefault(&c.DeadLetterMaxAge, defaultLetterAge)
	setDefault(&c.DeadLetterMaxBytes, defaultOtherBytes)
	setDefault(&c.StoreMaxBytes, defaultOtherBytes)
	setDefault(&c.AckWait, 3*time.Second)
	setDefault(&c.PublishTimeout, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, c.validate()
}

func (c Config) validate() error {
	var errs []error
	if c.Name != token(c.Name) || len(c.Name) > 64 {
		errs = append(errs, fmt.Errorf("natsbus: Config.Name %q: at most 64 letters, digits, '-' and '_'", c.Name))
	}
	if c.AckWait < time.Second {
		errs = append(errs, fmt.Errorf("natsbus: Config.AckWait %v: at least 1s", c.AckWait))
	}
	if c.DedupeWindow < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("natsbus: Config.DedupeWindow %v: at least 100ms", c.DedupeWindow))
	}
	if strings.ContainsAny(c.Domain, ". *>\t\r\n") {
		errs = append(errs, fmt.Errorf("natsbus: Config.Domain %q: without '.', '*', '>' and spaces", c.Domain))
	}
	if c.DeadLetterMaxAge > 0 && c.DeadLetterMaxAge < 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("natsbus: Config.DeadLetterMaxAge %v: at least 100ms", c.DeadLetterMaxAge))
	}
	if c.Replicas < 0 {
		errs = append(errs, fmt.Errorf("natsbus: Config.Replicas %d: not negative", c.Replicas))
	}
	if c.PublishTimeout < 0 {
		errs = append(errs, fmt.Errorf("natsbus: Config.PublishTimeout %v: not negative", c.PublishTimeout))
	}
	return errors.Join(errs...)
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
