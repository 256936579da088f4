"""Feeds a target with hypothesis: `python -m tests.fuzz.under_hypothesis TARGET EXAMPLES` prints the counts as JSON."""

from __future__ import annotations

import faulthandler
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.targets import TARGETS, Target

LONGEST_S = 5.0
"""Of processor time, for one example: more is a hang."""
HANG_S = 60.0
"""After so long in one example the process ends with a traceback, also where it hangs in C++."""
MOST_MEMORY_MB = 1000
"""That one example may take for a moment: the largest picture that is allowed takes 800."""


def fuzz(target: Target, folder: Path, examples: int, *, repeatable: bool = True) -> Counter[str]:
    """Feeds so many examples and returns how many were `taken` and `refused`. Raises what the target raises.

    `repeatable`: the same examples every time. The example under way lies in `folder`/example.
    """
    counts: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        derandomize=repeatable,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(data=target.inputs(folder))
    def feed(data: bytes) -> None:
        (folder / "example").write_bytes(data)
        memory_before = _forget_peak_memory()
        began = time.process_time()
        taken = target.feed(data, folder)
        assert time.process_time() - began < LONGEST_S, f"one example took longer than {LONGEST_S:g} s"
        assert _peak_memory_mb() - memory_before < MOST_MEMORY_MB, f"one example took over {MOST_MEMORY_MB} MB"
        counts["taken" if taken else "refused"] += 1

    feed()
    return counts


def _forget_peak_memory() -> float:
    """Returns the memory that is resident now, in MB: where the peak starts from again."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_memory_mb()


def _peak_memory_mb() -> float:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def main(name: str, examples: int) -> None:
    target = TARGETS[name]
    feed = target.feed

    def watched(data: bytes, folder: Path) -> bool:
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            return feed(data, folder)
        finally:
            faulthandler.cancel_dump_traceback_later()

    with tempfile.TemporaryDirectory() as folder:
        counts = fuzz(Target(name, watched, target.seeds, target.edits), Path(folder), examples, repeatable=False)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
