package main

import (
	"context"
	"io"
	"os"
	"os/exec"
)

// crew is the replicas: processes of this program.
type crew struct {
	args     []string
	replicas [3]*exec.Cmd
	killed   int
}

// killOne kills a replica as a crash would, each in turn, and starts it again.
func (c *crew) killOne(ctx context.Context) error {
	i := c.killed % len(c.replicas)
	c.kill(i)
	c.killed++
	return c.start(ctx, i)
}

func (c *crew) kill(i int) {
	_ = c.replicas[i].Process.Kill() // SIGKILL: it cannot tidy up
	_ = c.replicas[i].Wait()
}

func (c *crew) end() {
	for i, r := range c.replicas {
		if r != nil {
			c.kill(i)
		}
	}
}

// start starts a replica and waits until it is ready.
func (c *crew) start(ctx context.Context, i int) error {
	cmd := exec.CommandContext(ctx, os.Args[0], c.args...)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // which ends with this process
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.replicas[i] = cmd
	_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	return err
}
