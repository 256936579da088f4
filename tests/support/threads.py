"""Which threads of this process are running."""

from __future__ import annotations

import threading


def runs(name: str) -> bool:
    return name in {thread.name for thread in threading.enumerate()}
