package lambdatest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	latest             = "$LATEST"
	region             = "us-east-1"
	account            = "123456789012"
	defaultTimeout     = 3 * time.Second
	defaultConcurrency = 10
)

// Function is a function that can be invoked.
type Function struct {
	// Name is what Invoke calls it by, or the end of an ARN of any region and
	// account.
	Name string

	// Command is the handler's program and its arguments, and Env what its
	// environment has, as "KEY=value", beside that of this process and what
	// Lambda sets.
	Command []string
	Env     []string

	// Qualifiers are the versions and aliases that there are beside $LATEST.
	Qualifiers []string

	// Timeout is how long one invocation may take, after which its process is
	// killed. Zero: 3 s.
	Timeout time.Duration

	// Concurrency is how many invocations run at once; another RequestResponse
	// is throttled, and an Event waits. Zero: 10.
	Concurrency int
}

func (f *Function) timeout() time.Duration { return cmp.Or(f.Timeout, defaultTimeout) }

func (f *Function) concurrency() int { return cmp.Or(f.Concurrency, defaultConcurrency) }

func (f *Function) has(qualifier string) bool {
	return qualifier == "" || qualifier == latest || slices.Contains(f.Qualifiers, qualifier)
}

// arn is a function's full name, as errors and contexts have it.
func arn(name, qualifier string) string {
	s := fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", region, account, name)
	if qualifier != "" {
		s += ":" + qualifier
	}
	return s
}

// parseName takes apart what Invoke calls a function by: name, name:qualifier,
// account:function:name, or an ARN; each with or without a qualifier.
func parseName(s string) (name, qualifier string) {
	if _, rest, ok := strings.Cut(s, ":function:"); ok {
		s = rest
	}
	name, qualifier, _ = strings.Cut(s, ":")
	return name, qualifier
}
