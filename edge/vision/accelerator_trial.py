"""Tries the configured delegate in a process of its own, which it may take down with it."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from edge.config import Config
from edge.errors import MaskdError
from edge.vision.delegate import configured_delegate

TRIAL_S = 60.0
"""For libraries and models on a slow board, and for an Edge TPU that takes its firmware first."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Both models loaded and ran on a blank picture."""

    elapsed_ms: float
    problems: list[str]
    """Why a model runs on the CPU nevertheless, in sentences."""


def try_delegate(config: Config, timeout: float = TRIAL_S) -> Trial:
    """Raises MaskdError where the delegate ends its process, or hangs. Call it only where the configuration has one."""
    delegate = configured_delegate(config.runtime)
    assert delegate is not None
    try:
        done = subprocess.run(
            [sys.executable, "-m", "edge.vision.accelerator_trial"],
            input=config.model_dump_json(include={"runtime", "detector", "classifier"}),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MaskdError(
            f"{delegate.describe()} timed out after {timeout:g} s; replug it, or set runtime.delegate to null"
        ) from error
    if done.returncode < 0:
        raise MaskdError(
            f"{delegate.describe()} ends the whole process ({_signal_name(-done.returncode)}): its library may be "
            "built for another runtime, or its cable, port or power supply may be faulty; see docs/accelerators.md, "
            "or set runtime.delegate to null"
        )
    try:
        return Trial(**json.loads(done.stdout))
    except (ValueError, TypeError) as error:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise MaskdError(f"{delegate.describe()} could not be tried ({last}); please report it") from error


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def main() -> None:
    """Reads the configuration from standard input, and prints what came of it as one JSON object."""
    import numpy as np

    from edge.geometry import Box
    from edge.vision.build import build_vision

    logging.disable()
    config = Config.model_validate_json(sys.stdin.read())
    problems: list[str] = []
    picture = np.zeros((720, 1280, 3), np.uint8)
    started = time.perf_counter()
    vision = build_vision(config, problems.append)
    vision.detector.detect(picture, 0.5)
    vision.classifier.classify(picture, [Box(100, 100, 300, 300)])
    print(json.dumps({"elapsed_ms": (time.perf_counter() - started) * 1000, "problems": problems}), flush=True)


if __name__ == "__main__":
    main()
