"""The settings of the weekly report."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from edge.config.fields import HomePath, Name, Settings, contradiction
from edge.config.traits import LIVE


class ReportSettings(Settings):
    folder: Annotated[HomePath | None, LIVE] = None
    """Folder that gets a report of the past week each Monday, as one page of HTML; null: none. The service may write
    below /var/lib/maskd only."""
    keep_weeks: Annotated[int, Field(ge=1, le=1000), LIVE] = 53
    """Weekly reports that are kept there; older ones are deleted."""
    mail: Annotated[Name | None, LIVE] = None
    """Name of the output of kind mail through which that report is sent as well, as an attachment; null: none."""

    @model_validator(mode="after")
    def _what_is_mailed_is_in_the_folder(self) -> ReportSettings:
        if self.mail is not None and self.folder is None:
            raise contradiction("mail", "it sends the report that is in report.folder; set that as well")
        return self
