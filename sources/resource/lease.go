package resource

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hearken-go/hearken"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// giveBackTime is how long the end of a pipeline waits at most for the cluster to
// take the lease back.
const giveBackTime = 5 * time.Second

// Lease is an object of coordination.k8s.io that one of several processes holds.
// The holder watches; the others wait. It is given back when a pipeline ends, and
// expires when a process dies. A holder that is cut off stops before another
// begins, save for emits that are under way, which may then come twice, with the
// same id. Its rights are get, create and update on leases in the namespace.
type Lease struct {
	// Namespace and Name are where it is, the same for all processes that share
	// it. Each event source has one of its own: of two with the same, one would
	// wait for the other. Both are required.
	Namespace, Name string
	// Client is what to hold it with. Nil: made of Source.Config.
	Client coordination.LeasesGetter
	// Identity names this process, differently from all others. Empty: the host's
	// name and something random.
	Identity string
	// Duration is after how long at most another process takes over from one that
	// died, in whole seconds. Zero: 15 s.
	Duration time.Duration
}

func (l *Lease) validate(c *rest.Config, m *hearken.Mistakes) {
	if l.Namespace == "" {
		m.Add("Lease.Namespace", "is empty; name the namespace of the lease")
	} else if wrong := validation.IsDNS1123Label(l.Namespace); len(wrong) > 0 {
		m.Add("Lease.Namespace", "%q is none: %s", l.Namespace, strings.Join(wrong, "; "))
	}
	if l.Name == "" {
		m.Add("Lease.Name", "is empty; give the lease a name that the replicas share")
	} else if wrong := validation.IsDNS1123Subdomain(l.Name); len(wrong) > 0 {
		m.Add("Lease.Name", "%q is none: %s", l.Name, strings.Join(wrong, "; "))
	}
	if l.Client == nil && c == nil {
		m.Add("Lease.Client", "is nil; without a Source.Config it is needed to hold the lease")
	}
	if l.Duration < 0 || l.Duration%time.Second != 0 {
		m.Add("Lease.Duration", "is %v; a lease has whole seconds", l.Duration)
	}
}

func (l *Lease) duration() time.Duration {
	if l.Duration == 0 {
		return 15 * time.Second
	}
	return l.Duration
}

func (l *Lease) identity() (string, error) {
	if l.Identity != "" {
		return l.Identity, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("resource: Lease.Identity is empty, and the host has no name: %w", err)
	}
	return host + "_" + rand.Text(), nil
}

// lead calls work while this process holds the lease, until ctx ends or work
// fails.
func (s *Source) lead(ctx context.Context, out hearken.Output, c clients, work func(context.Context) error) error {
	identity, err := s.Lease.identity()
	if err != nil {
		return hearken.Permanent(err)
	}
	for ctx.Err() == nil {
		if err := s.term(ctx, out, c, identity, work); err != nil {
			return err
		}
	}
	return nil
}

// term waits for the lease and calls work until that ends, or ctx, or the lease is
// lost. The lease is given back only when work has returned.
func (s *Source) term(ctx context.Context, out hearken.Output, c clients, identity string, work func(context.Context) error) error {
	started := make(chan context.Context, 1)
	lock := s.lock(out, c, identity)
	elector, err := s.elector(lock, started)
	if err != nil {
		return hearken.Permanent(fmt.Errorf("resource: Lease: %w", err))
	}
	holding, end := context.WithCancel(context.WithoutCancel(ctx))
	var election sync.WaitGroup
	election.Go(func() { elector.Run(holding) })
	defer func() {
		end()
		election.Wait()
		if elector.IsLeader() {
			lock.giveBack(context.WithoutCancel(ctx), out.Logger)
		}
	}()
	out.Logger.Info("resource source waits for its lease", "lease", s.Lease.Namespace+"/"+s.Lease.Name, "identity", identity)
	select {
	case <-ctx.Done():
		return nil
	case held := <-started:
		return workWhile(ctx, held, out.Logger, work)
	}
}

// workWhile calls work until that ends, or ctx, or the lease is lost, with which
// held ends.
func workWhile(ctx, held context.Context, log *slog.Logger, work func(context.Context) error) error {
	log.Info("resource source holds its lease")
	working, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(held, stop)()
	err := work(working)
	if held.Err() != nil && ctx.Err() == nil {
		log.Warn("resource source has lost its lease")
		return nil
	}
	return err
}

// elector returns one that does not release the lease itself: client-go's would
// before it says that it was lost, and wait for the cluster meanwhile, however long.
func (s *Source) elector(l *lock, started chan<- context.Context) (*leaderelection.LeaderElector, error) {
	d := s.Lease.duration()
	return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          l,
		LeaseDuration: d,
		RenewDeadline: d * 2 / 3,
		RetryPeriod:   d * 2 / 15,
		Name:          s.Lease.Name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) { started <- held },
			OnStoppedLeading: func() {},
		},
	})
}

func (s *Source) lock(out hearken.Output, c clients, identity string) *lock {
	client := s.Lease.Client
	if client == nil {
		client = c.leases
	}
	return &lock{
		Interface: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: s.Lease.Namespace, Name: s.Lease.Name},
			Client:     client,
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		},
		duration: s.Lease.duration(),
		noted: func(err error) {
			if err != nil {
				s.trouble.begin(out.Logger, "lease", fmt.Errorf("resource: lease %s/%s, for which get, create and update are needed: %w", s.Lease.Namespace, s.Lease.Name, err))
			} else {
				s.trouble.end(out.Logger, "lease")
			}
		},
	}
}

// lock waits for no answer longer than it may take to renew the lease, and tells of
// errors that the elector would only write to standard error.
type lock struct {
	resourcelock.Interface
	duration time.Duration
	noted    func(error)
	failed   time.Time // when it could last be read and not be written; zero: it has been written since
}

func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	asking, cancel := context.WithTimeout(ctx, l.duration*2/3)
	defer cancel()
	record, raw, err := l.Interface.Get(asking)
	// Who may not write it reads it before each attempt: that is not the end of
	// the trouble.
	if err != nil || time.Since(l.failed) > l.duration {
		l.note(ctx, err)
	}
	return record, raw, err
}

func (l *lock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, r, l.Interface.Create)
}

func (l *lock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, r, l.Interface.Update)
}

func (l *lock) write(ctx context.Context, r resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	asking, cancel := context.WithTimeout(ctx, l.duration*2/3)
	defer cancel()
	err := write(asking, r)
	if l.failed = (time.Time{}); err != nil {
		l.failed = time.Now()
	}
	l.note(ctx, err)
	return err
}

// note leaves out what belongs to an election, and its end.
func (l *lock) note(ctx context.Context, err error) {
	switch {
	case errors.Is(ctx.Err(), context.Canceled), apierrors.IsNotFound(err), apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
	case errors.Is(err, context.DeadlineExceeded):
		l.noted(fmt.Errorf("the cluster has not answered in time: %w", err))
	default:
		l.noted(err)
	}
}

// giveBack lets another process have the lease at once, unless it has it already.
func (l *lock) giveBack(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, min(l.duration/3, giveBackTime))
	defer cancel()
	err := l.release(ctx)
	switch {
	case err == nil, apierrors.IsNotFound(err), apierrors.IsConflict(err): // another has it, or nobody
	default:
		log.Warn("resource source cannot give its lease back: another process waits until it expires", "error", err)
	}
}

func (l *lock) release(ctx context.Context) error {
	record, _, err := l.Interface.Get(ctx)
	if err != nil || record.HolderIdentity != l.Identity() {
		return err
	}
	now := metav1.Now()
	return l.Interface.Update(ctx, resourcelock.LeaderElectionRecord{
		LeaderTransitions: record.LeaderTransitions, LeaseDurationSeconds: 1, RenewTime: now, AcquireTime: now,
	})
}
