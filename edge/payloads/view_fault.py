"""What can be wrong with the picture of a camera, as the status and config.yaml name it."""

from __future__ import annotations

from typing import Literal, get_args

ViewFault = Literal["frozen", "dark", "overexposed", "covered", "backlit", "blurred", "moved", "small_faces"]
VIEW_FAULTS: tuple[ViewFault, ...] = get_args(ViewFault)
