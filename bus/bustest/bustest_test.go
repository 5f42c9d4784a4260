package bustest_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearken-go/hearken/bus/bustest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sound(*faulty) {}

func TestAGoodBusPasses(t *testing.T) { bustest.Run(t, world(sound)) }

// TestClausesAreQuoted keeps the cases from proving what the contract no longer
// says.
func TestClausesAreQuoted(t *testing.T) {
	text := contract(t)
	for name, clause := range bustest.Clauses(world(sound)) {
		assert.Contains(t, text, clause, name)
	}
}

// contract returns the comments of package bus as running text.
func contract(t *testing.T) string {
	files, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var text strings.Builder
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, comment := range parsed.Comments {
			text.WriteString(strings.Join(strings.Fields(comment.Text()), " ") + "\n")
		}
	}
	return text.String()
}

func TestCasesNeedWhatTheHarnessOffers(t *testing.T) {
	full := bustest.Clauses(world(sound))
	bare := bustest.Clauses(bustest.Harness{Open: world(sound).Open})
	assert.Contains(t, full, "Crash/keeps what was stored")
	assert.NotContains(t, bare, "Crash/keeps what was stored")
	assert.Contains(t, bare, "Store/List/by prefix")
	lacking := bustest.Clauses(bustest.Harness{
		Open:  world(sound).Open,
		Lacks: bustest.Groups | bustest.Store | bustest.Dedupe | bustest.DeadLetterCounter,
	})
	for name := range lacking {
		for _, prefix := range []string{"Store/", "Forget/", "Groups/"} {
			assert.False(t, strings.HasPrefix(name, prefix), "%s is proved of a bus that lacks it", name)
		}
	}
	assert.Contains(t, lacking, "Publish/every group gets it")
}

// TestBrokenBusesFail breaks a bus in one way after the other; the named cases
// must see it. Together they are all cases: each is able to fail.
func TestBrokenBusesFail(t *testing.T) {
	left := bustest.Clauses(world(sound))
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			h := world(m.spoil)
			if m.hooks != nil {
				m.hooks(&h)
			}
			found := bustest.Verdicts(t, h, m.fails)
			for _, name := range m.fails {
				assert.Contains(t, found, name, "no such case")
				if assert.Error(t, found[name], "%s passed", name) {
					delete(left, name)
				}
			}
		})
	}
	for name := range left {
		t.Errorf("no broken bus makes %q fail: it may prove nothing", name)
	}
}
