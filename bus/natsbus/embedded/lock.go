package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrLocked says that another server, of this process or another, uses the
// folder. Two servers on one folder would each lose what the other accepted.
var ErrLocked = errors.New("embedded: the folder is in use by another server")

const lockName = "hearken.lock"

// lockDir makes dir if need be and locks it until the file is closed.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	ok, err := tryLock(f)
	switch {
	case err != nil:
		err = fmt.Errorf("embedded: lock %s: %w", dir, err)
	case !ok:
		err = fmt.Errorf("%w: %s", ErrLocked, dir)
	default:
		return f, nil
	}
	return nil, errors.Join(err, f.Close())
}
