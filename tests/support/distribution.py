"""Which tests run in the same process, and what begins first, where pytest-xdist runs several at a time.

A file's tests stay together, so that what they share (a clip, a trained model) is made once. Those of all files that
load TensorFlow stay together too: it takes seconds and a gigabyte to load.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler.loadscope import LoadScopeScheduling

ROOT = Path(__file__).parents[2]
LONGEST_FIRST = (
    *("training_run", "faults", "stops", "mqtt_hostile", "accuracy", "evaluate", "reload", "apply", "daemon"),
    *("privacy_doors", "streams_together", "outbox", "sender", "commands", "announcer", "check", "security", "tune"),
    *("detect", "standard_streams", "camera_lores", "fuzz"),
)
"""Files by their time; the others take a few seconds."""
_LOADS_TENSORFLOW = ("NEEDS_TENSORFLOW", 'importorskip("keras', 'importorskip("tensorflow')


def place(nodeid: str) -> int:
    """Of a test among all: the smaller, the sooner it begins."""
    name = Path(nodeid.partition("::")[0]).stem.removeprefix("test_")
    return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)


@cache
def loads_tensorflow(file: str) -> bool:
    """Of a test file, by its path below the checkout."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return any(sign in text for sign in _LOADS_TENSORFLOW)


class ByFile(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    """The scheduler of pytest-xdist with the scopes described above."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tensorflow" if loads_tensorflow(file) else file

    def schedule(self) -> None:
        self.config.option.loadscopereorder = False  # `place` has put them in order
        super().schedule()
