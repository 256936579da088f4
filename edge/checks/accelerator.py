"""The accelerator that the configuration names, tried in a process of its own, which it may take down with it."""

from __future__ import annotations

from edge.checks.row import Row
from edge.config import Config
from edge.vision.accelerator import Accelerator
from edge.vision.accelerator_trial import try_delegate

TRIAL_S = 10.0


def accelerator_row(config: Config, *, maskd_is_running: bool) -> Row:
    """Call it only where the configuration names one. Where it works, whatever maskd has counted against it is
    forgotten. Raises MaskdError if it crashes or hangs its user."""
    delegate = config.runtime.delegate
    assert delegate is not None
    accelerator = Accelerator(config)
    if maskd_is_running and not accelerator.is_given_up:
        detail = f"{delegate}, in use by the running maskd, so it was not tried"
        return Row("skipped", "accelerator", detail)
    trial = try_delegate(config, TRIAL_S)
    if trial.problems:
        return Row("warn", "accelerator", delegate, "\n".join(trial.problems))
    accelerator.forgive()
    detail = f"{delegate} loaded both models and ran them on a blank picture in {trial.elapsed_ms:.0f} ms"
    return Row("ok", "accelerator", detail, None, {"elapsed_ms": round(trial.elapsed_ms, 1)})
