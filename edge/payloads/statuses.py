"""The status that is not a label of any classifier."""

from __future__ import annotations

UNKNOWN = "unknown"
"""The evidence is too weak for a label."""
