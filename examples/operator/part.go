package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/hearken-go/hearken"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

const (
	// drain is how long firings under way may go on when the program is to stop.
	drain = 20 * time.Second
	// shutdown is how long the manager waits for them and all else. Kubernetes
	// kills the Pod 30 seconds (terminationGracePeriodSeconds) after it said so.
	shutdown = 25 * time.Second
)

// part is a pipeline as the manager runs it.
type part struct {
	*hearken.Pipeline
	leader bool              // only where this replica leads
	after  *hearken.Pipeline // not before this one is ready; nil: at once
	ended  chan error        // what Run returned
}

// NeedLeaderElection tells the manager where to run it.
func (p *part) NeedLeaderElection() bool { return p.leader }

// Start runs it until ctx ends and what is under way has ended too.
func (p *part) Start(ctx context.Context) error {
	if !p.mayBegin(ctx) {
		return nil
	}
	err := p.Run(ctx)
	for _, s := range p.Health().Sensors {
		slog.Info("drained", "sensor", s.Name, "fired", s.Actions[0].Fired, "in_flight", s.InFlight, "handed_back", s.HandedBack)
	}
	p.ended <- err
	return err
}

// mayBegin waits until the part has its turn, and says that ctx has not ended.
func (p *part) mayBegin(ctx context.Context) bool {
	for p.after != nil && !p.after.Health().Ready && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	return ctx.Err() == nil
}

// outcome is what Run returned, if it has: of a part that ends after it was told
// to stop the manager only logs it.
func (p *part) outcome() error {
	select {
	case err := <-p.ended:
		return err
	default:
		return nil
	}
}

// addProbes makes the pipeline's health the manager's.
func (p *part) addProbes(mgr manager.Manager) error {
	if p.leader { // who does not lead is alive and ready
		return nil
	}
	return errors.Join(
		mgr.AddHealthzCheck("pipeline", func(*http.Request) error {
			if p.Health().Ended {
				return errors.New("the pipeline has ended")
			}
			return nil
		}),
		mgr.AddReadyzCheck("pipeline", func(*http.Request) error {
			if !p.Health().Ready {
				return errors.New("the pipeline is not ready")
			}
			return nil
		}),
	)
}
