package resource_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearken-go/hearken/sources/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"
)

// leases holds one lease as an API server does. The zero value has none yet.
type leases struct {
	coordination.LeaseInterface // what an elector does not use
	mu                          sync.Mutex
	lease                       *coordinationv1.Lease
	version                     int
	fail                        error
}

func (l *leases) Leases(string) coordination.LeaseInterface { return l }

func (l *leases) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *leases) holder() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lease == nil || l.lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.lease.Spec.HolderIdentity
}

var leaseResource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

func (l *leases) Get(ctx context.Context, name string, _ metav1.GetOptions) (*coordinationv1.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case l.fail != nil:
		return nil, l.fail
	case l.lease == nil:
		return nil, apierrors.NewNotFound(leaseResource, name)
	}
	return l.lease.DeepCopy(), nil
}

func (l *leases) Create(_ context.Context, lease *coordinationv1.Lease, _ metav1.CreateOptions) (*coordinationv1.Lease, error) {
	return l.put(lease, l.lease == nil)
}

func (l *leases) Update(_ context.Context, lease *coordinationv1.Lease, _ metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return l.put(lease, l.lease != nil)
}

func (l *leases) put(lease *coordinationv1.Lease, can bool) (*coordinationv1.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.fail != nil:
		return nil, l.fail
	case !can, l.lease != nil && lease.ResourceVersion != l.lease.ResourceVersion:
		return nil, apierrors.NewConflict(leaseResource, lease.Name, nil)
	}
	l.version++
	l.lease = lease.DeepCopy()
	l.lease.ResourceVersion = strconv.Itoa(l.version)
	return l.lease.DeepCopy(), nil
}

func leased(l *leases, identity string) func(*resource.Source) {
	return func(s *resource.Source) {
		s.Lease = &resource.Lease{Namespace: "shop", Name: "changes", Client: l, Identity: identity}
	}
}

func TestOneHoldsTheLease(t *testing.T) {
	l := &leases{}
	bubble(t, leased(l, "first"), func(t *testing.T, r *rig) {
		r.start()
		second := r.successor(leased(l, "second"))
		second.start()
		r.cluster.create("shop/a")
		assert.Equal(t, []string{"ADD shop/a 0"}, r.news())
		time.Sleep(time.Minute)
		assert.Empty(t, second.news())
		assert.Equal(t, "first", l.holder())

		r.stop()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, "second", l.holder(), "it was given back")
		r.cluster.create("shop/b")
		assert.Equal(t, []string{"ADD shop/b 0"}, second.await(), "which goes on where the first was")
		second.stop()
		assert.Empty(t, l.holder())
	})
}

// TestALeaseThatIsLost has the holder cut off from it: it stops before another
// begins, and waits for it again.
func TestALeaseThatIsLost(t *testing.T) {
	l := &leases{}
	bubble(t, leased(l, "first"), func(t *testing.T, r *rig) {
		r.start()
		l.refuse(apierrors.NewForbidden(leaseResource, "changes", errors.New("no")))
		time.Sleep(20 * time.Second)
		synctest.Wait()
		assert.Contains(t, r.log.String(), "has lost its lease")
		trouble := r.source.Report().Trouble
		require.NotNil(t, trouble)
		for _, says := range []string{"shop/changes", "get, create and update", "no"} {
			assert.ErrorContains(t, trouble.Err, says)
		}
		r.cluster.create("shop/a")
		time.Sleep(time.Minute)
		assert.Empty(t, r.news())
		l.refuse(nil)
		assert.Equal(t, []string{"ADD shop/a 0"}, r.await())
		assert.Nil(t, r.source.Report().Trouble)
		r.stop()
	})
}

// TestAHolderThatDies leaves the lease as it is, so another waits for its end.
func TestAHolderThatDies(t *testing.T) {
	l := &leases{}
	bubble(t, leased(l, ""), func(t *testing.T, r *rig) {
		holder, seconds := "dead", int32(15)
		now := metav1.NewMicroTime(time.Now())
		_, err := l.Create(t.Context(), &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: "changes"},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
		r.cluster.create("shop/a")
		r.start()
		time.Sleep(10 * time.Second)
		assert.Empty(t, r.news())
		time.Sleep(10 * time.Second)
		assert.Equal(t, []string{"ADD shop/a 0"}, r.news())
		assert.NotEqual(t, "dead", l.holder())
		r.stop()
	})
}

// silentLeases take requests and do not answer once they are silent.
type silentLeases struct {
	*leases
	silent chan struct{}
}

func (l silentLeases) Leases(string) coordination.LeaseInterface { return l }

func (l silentLeases) wait(ctx context.Context) error {
	select {
	case <-l.silent:
		<-ctx.Done()
		return ctx.Err()
	default:
		return nil
	}
}

func (l silentLeases) Get(ctx context.Context, name string, o metav1.GetOptions) (*coordinationv1.Lease, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.leases.Get(ctx, name, o)
}

func (l silentLeases) Update(ctx context.Context, lease *coordinationv1.Lease, o metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	return l.leases.Update(ctx, lease, o)
}

// TestALeaseOfAClusterThatIsSilent has the holder hear nothing any more: it stops
// before another begins, says so, and ends when it is told to.
func TestALeaseOfAClusterThatIsSilent(t *testing.T) {
	silent := silentLeases{&leases{}, make(chan struct{})}
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.source.Lease = &resource.Lease{Namespace: "shop", Name: "changes", Client: silent}
		r.start()
		close(silent.silent)
		time.Sleep(15 * time.Second)
		r.cluster.create("shop/a")
		assert.Empty(t, r.news(), "another may have begun")
		time.Sleep(10 * time.Second)
		trouble := r.source.Report().Trouble
		require.NotNil(t, trouble)
		assert.ErrorContains(t, trouble.Err, "has not answered in time")
		began := time.Now()
		r.stop()
		assert.Less(t, time.Since(began), 10*time.Second)
		assert.Equal(t, 1, strings.Count(r.log.String(), "resource source has trouble"))
	})
}

// TestAHolderEndsThoughTheClusterIsSilent has it fail to give the lease back.
func TestAHolderEndsThoughTheClusterIsSilent(t *testing.T) {
	for _, d := range []time.Duration{0, 5 * time.Minute} {
		silent := silentLeases{&leases{}, make(chan struct{})}
		bubble(t, nil, func(t *testing.T, r *rig) {
			r.source.Lease = &resource.Lease{Namespace: "shop", Name: "changes", Client: silent, Duration: d}
			r.start()
			close(silent.silent)
			began := time.Now()
			r.stop()
			assert.Less(t, time.Since(began), 10*time.Second)
			assert.Contains(t, r.log.String(), "cannot give its lease back")
		})
	}
}

// readOnlyLeases are those of who may only get them.
type readOnlyLeases struct{ *leases }

func (l readOnlyLeases) Leases(string) coordination.LeaseInterface { return l }

func (l readOnlyLeases) Update(context.Context, *coordinationv1.Lease, metav1.UpdateOptions) (*coordinationv1.Lease, error) {
	return nil, apierrors.NewForbidden(leaseResource, "changes", errors.New("no right to update"))
}

// TestALeaseThatMayNotBeUpdated is one trouble, though it may be read.
func TestALeaseThatMayNotBeUpdated(t *testing.T) {
	l := &leases{}
	bubble(t, nil, func(t *testing.T, r *rig) {
		r.source.Lease = &resource.Lease{Namespace: "shop", Name: "changes", Client: readOnlyLeases{l}}
		_, err := l.Create(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "changes"}}, metav1.CreateOptions{})
		require.NoError(t, err)
		r.start()
		for range 300 {
			require.NotNil(t, r.source.Report().Trouble)
			require.ErrorContains(t, r.source.Report().Trouble.Err, "no right to update")
			time.Sleep(time.Second)
		}
		assert.Equal(t, 1, strings.Count(r.log.String(), "resource source has trouble"), "it is said once")
		other, seconds := "other", int32(15)
		for i := range 6 { // one that may
			now := metav1.NewMicroTime(time.Now())
			_, err = l.Update(t.Context(), &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Name: "changes", ResourceVersion: strconv.Itoa(i + 1)},
				Spec:       coordinationv1.LeaseSpec{HolderIdentity: &other, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
			}, metav1.UpdateOptions{})
			require.NoError(t, err)
			time.Sleep(5 * time.Second)
		}
		assert.Nil(t, r.source.Report().Trouble, "nobody asks it to")
		r.stop()
	})
}
