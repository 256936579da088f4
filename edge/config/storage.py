"""The settings of the outbox and of the local record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from edge.config.fields import HomePath, Settings
from edge.config.traits import LIVE


class StorageSettings(Settings):
    path: HomePath = Path("/var/lib/maskd")
    """Folder of the outbox, where events wait for the broker's receipt, and of the local record."""
    max_events: Annotated[int, Field(ge=1), LIVE] = 1_000_000
    """Past this many the oldest unsent events go first, and the loss is counted and published."""
    max_bytes: Annotated[int, Field(ge=1_000_000), LIVE] = 1_000_000_000
    """Bytes on disk, past which the oldest unsent events go first; the loss is counted and published."""
    keep_days: Annotated[float, Field(ge=0, le=36_500), LIVE] = 30
    """Days that the local record, which `maskd events` prints, goes back; 0: nothing is recorded."""
    keep_bytes: Annotated[int, Field(ge=100_000), LIVE] = 100_000_000
    """Bytes on disk of the local record, past which its oldest days go first."""
