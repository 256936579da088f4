"""The running daemon: its list of parts, and what it tells of itself."""
