"""What acts when a rule says so. Each output is a part with a thread of its own, and none waits for another."""
