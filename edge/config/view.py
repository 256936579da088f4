"""The settings of what is told of a camera's view."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge.config.fields import Settings
from edge.config.traits import Traits
from edge.payloads.view_fault import VIEW_FAULTS, ViewFault

_PER_CAMERA = Traits(effect="live", per_camera=True)


class ViewSettings(Settings):
    warn_of: Annotated[list[ViewFault], _PER_CAMERA] = list(VIEW_FAULTS)
    """What is reported about a picture; an empty list: nothing. Of files and `demo`, only small_faces is."""
    warn_after_s: Annotated[float, Field(ge=0, le=3600), _PER_CAMERA] = 30
    """Seconds that it must last before it is reported; `moved` takes at least a minute."""
    frozen_after_s: Annotated[float, Field(ge=10, le=86400), _PER_CAMERA] = 300
    """Seconds without the least change of any pixel after which a picture counts as frozen."""
