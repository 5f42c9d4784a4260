// Package console is where examples show what has happened.
package console

import (
	"context"
	"fmt"

	"github.com/hearken-go/hearken"
	"github.com/hearken-go/hearken/triggers/params"
)

// Line is a trigger that prints the object, as a line of JSON.
type Line struct{ params.Object }

// Fire prints.
func (l Line) Fire(_ context.Context, f hearken.Firing) error {
	line, err := l.Payload(f)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(line))
	return err
}
