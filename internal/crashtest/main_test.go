package crashtest_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/hearken-go/hearken/internal/crashtest"
	"go.uber.org/goleak"
)

var (
	soak = flag.Duration("soak", 0, "how long each scenario is under load; zero: a short test")
	seed = flag.Uint64("seed", 0, "of all random choices; zero: a random one")
)

// The test binary is the processes too, so that a test can kill them.
func TestMain(m *testing.M) {
	if config := os.Getenv(crashtest.ChildEnv); config != "" {
		if err := crashtest.RunChild(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func underLoad(short time.Duration) time.Duration {
	if *soak > 0 {
		return *soak
	}
	return short
}
