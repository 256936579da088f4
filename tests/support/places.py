"""Where the checkout is, and the labelled photos that some tests measure on."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("MASKD_DATA") or ROOT.parent / "shared" / "data")
NO_DATA = f"no labelled photos in {DATA}; MASKD_DATA says where they are"
"""Why a test is skipped if DATA does not exist."""
