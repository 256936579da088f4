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
    """Past this many, the oldest unsent events are dropped and counted."""
    max_bytes: Annotated[int, Field(ge=1_000_000), LIVE] = 1_000_000_000
    """Bytes on disk; past this, the oldest unsent events are dropped and counted."""
    keep_days: Annotated[float, Field(ge=0, le=36_500), LIVE] = 30
    """Days that the local record keeps, which `maskd events` prints; 0: nothing is recorded."""
    keep_bytes: Annotated[int, Field(ge=100_000), LIVE] = 100_000_000
    """Bytes on disk of the local record; past this, its oldest days are deleted."""
    audit_days: Annotated[float, Field(ge=1, le=36_500), LIVE] = 365
    """Days that changes of settings are kept, which `maskd events --audit` prints."""
