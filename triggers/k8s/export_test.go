package k8s

// Turns returns of how many objects somebody has the turn to change, or waits for it.
func (c *Client) Turns() int {
	c.turns.mu.Lock()
	defer c.turns.mu.Unlock()
	return len(c.turns.of)
}
