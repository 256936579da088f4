"""What systemd hands over (LoadCredential=, SetCredential= and their like), or would hand to the service."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CREDENTIAL_STORE = Path("/etc/credstore")
"""From where systemd/maskd.service has secrets handed over; only root can read it."""


def credential(name: str, environment: Mapping[str, str] = os.environ, store: Path = CREDENTIAL_STORE) -> Path | None:
    """The file; None: there is none. For a process that systemd has handed nothing it comes from `store` itself, if it
    may read there: root's `maskd check`."""
    if folder := environment.get("CREDENTIALS_DIRECTORY"):
        path = Path(folder, name)
        return path if path.exists() else None
    path = store / f"maskd.{name}"
    return path if os.access(path, os.R_OK, effective_ids=True) else None
