"""Whether the rules name statuses that the classifier can give."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from edge.config import ALL, Config
from edge.errors import UsageError
from edge.payloads.statuses import UNKNOWN


def require_known_statuses(config: Config, labels: Sequence[str]) -> None:
    """Raises UsageError with the first status in a zone's rule that is none of the classifier's `labels`."""
    for camera, settings in config.cameras.items():
        for name, zone in settings.zones.items():
            for status in zone.compliant or ():
                if status not in (*labels, UNKNOWN, ALL):
                    raise UsageError(
                        f'cameras.{camera}.zones.{name}.compliant: there is no status "{status}"; '
                        f"{_remedy(status, labels)}"
                    )


def _remedy(status: str, labels: Sequence[str]) -> str:
    if nearest := difflib.get_close_matches(status, (*labels, ALL), n=1):
        return f'did you mean "{nearest[0]}"?'
    return f"the classifier gives {', '.join(labels)}, and [{ALL}] means each of them"
