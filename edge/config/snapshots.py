"""The settings of the pictures of events. No command sets any of them: only the owner of config.yaml does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edge.config.fields import Settings
from edge.config.traits import LIVE


class SnapshotSettings(Settings):
    enabled: Annotated[bool, LIVE] = False
    """true: keep a picture of each `started` and `changed`. false, or `privacy: aggregate`: delete all of them."""
    faces: Annotated[Literal["pixelated", "silhouettes"], LIVE] = "pixelated"
    """pixelated: faces are made of 6 blocks; silhouettes: a coarse picture, with people as flat shapes."""
    keep_days: Annotated[float, Field(gt=0, le=3650), LIVE] = 7
    """Days after which a snapshot is deleted."""
    keep_bytes: Annotated[int, Field(ge=1_000_000), LIVE] = 100_000_000
    """Bytes on disk; past this, the oldest snapshots are deleted. One takes about 30 kB."""
    publish: Annotated[bool, LIVE] = False
    """true: publish the latest one of each camera over MQTT, with an image entity in Home Assistant."""
