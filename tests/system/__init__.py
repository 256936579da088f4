"""Boots a real Debian and installs maskd there, as a person would: `make system-test`."""
