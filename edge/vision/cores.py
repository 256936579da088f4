"""How the processor's cores are shared out among the cameras."""

from __future__ import annotations

import os

from edge.config import Config

MOST_WORKERS = 4
"""Unless runtime.workers says more: each keeps models of its own in memory."""


def workers(config: Config) -> int:
    """Vision threads: one for each camera, as far as there are cores; one where a delegate runs the models, since an
    accelerator does one thing at a time."""
    if config.runtime.workers is not None:
        return config.runtime.workers
    if config.runtime.delegate is not None:
        return 1
    return max(1, min(len(config.cameras), available_cores(), MOST_WORKERS))


def available_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))
