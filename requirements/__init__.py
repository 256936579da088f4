"""What maskd runs with on each target, locked with hashes: `make lock`, `make audit`."""
