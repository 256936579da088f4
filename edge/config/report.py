"""The settings of the weekly report."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge.config.fields import HomePath, Settings
from edge.config.traits import LIVE


class ReportSettings(Settings):
    folder: Annotated[HomePath | None, LIVE] = None
    """Folder that gets a report of the past week each Monday, as one page of HTML; null: none. The service may write
    below /var/lib/maskd only."""
    keep_weeks: Annotated[int, Field(ge=1, le=1000), LIVE] = 53
    """Weekly reports that are kept there; older ones are deleted."""
