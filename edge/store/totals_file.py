"""The counts of visits on disk, which outlive restarts and power cuts."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from edge.people.totals import KeptTotals
from edge.system.atomic_file import write_own_file

_log = logging.getLogger(__name__)

NAME = "totals.json"


class TotalsFile:
    """Used by one thread. No error is raised: without the file counting begins at 0 with each start."""

    def __init__(self, folder: Path) -> None:
        """`folder`: `storage.path`."""
        self._path = folder / NAME
        self._has_warned = False

    def read(self) -> KeptTotals | None:
        """None where nothing was counted, or nothing readable is left of it."""
        try:
            return KeptTotals.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is damaged"
            _log.warning(
                "the counts of visits cannot be read from %s: %s; counting begins at 0 again", self._path, reason
            )
            return None

    def write(self, kept: KeptTotals) -> None:
        try:
            write_own_file(self._path, kept.model_dump_json().encode() + b"\n")
            self._has_warned = False
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                _log.warning(
                    "the counts of visits cannot be saved in %s: %s; visits counted before this is fixed are missing "
                    "from the counts after a restart",
                    self._path,
                    error.strerror or error,
                )
