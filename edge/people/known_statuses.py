"""Whether the rules name statuses that the classifier can give."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from edge.config import ALL, Config
from edge.errors import UsageError
from edge.payloads.statuses import UNKNOWN


def require_known_statuses(config: Config, labels: Sequence[str]) -> None:
    """Raises UsageError with the first status in a rule that is none of the classifier's `labels`."""
    of_all = f"and [{ALL}] means each of them"
    for camera, settings in config.cameras.items():
        for name, zone in settings.zones.items():
            _require(f"cameras.{camera}.zones.{name}.compliant", zone.compliant, labels, ALL, of_all)
    for name, rule in config.rules.items():
        _require(f"rules.{name}.when.status", rule.when.status, labels, UNKNOWN, f"or else {UNKNOWN}")


def _require(
    place: str, statuses: Sequence[str] | None, labels: Sequence[str], further: str, about_further: str
) -> None:
    for status in statuses or ():
        if status in (*labels, UNKNOWN, further):
            continue
        nearest = difflib.get_close_matches(status, (*labels, further), n=1)
        remedy = (
            f'did you mean "{nearest[0]}"?' if nearest else f"the classifier gives {', '.join(labels)}, {about_further}"
        )
        raise UsageError(f'{place}: there is no status "{status}"; {remedy}')
