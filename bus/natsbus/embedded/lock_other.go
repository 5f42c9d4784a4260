//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package embedded

import (
	"errors"
	"os"
)

// tryLock fails: a folder that cannot be locked is not safe to use.
func tryLock(*os.File) (bool, error) { return false, errors.ErrUnsupported }
