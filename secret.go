package hearken

import (
	"fmt"
	"log/slog"
)

// Secret is a string that does not show itself: whatever prints, logs or
// marshals it gets "***". Convert it to string to use it.
type Secret string

const masked = "***"

// Format writes *** for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(masked)) }

// String returns ***.
func (Secret) String() string { return masked }

// MarshalText returns ***.
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// LogValue returns ***.
func (Secret) LogValue() slog.Value { return slog.StringValue(masked) }
