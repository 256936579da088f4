"""Where a network's first weights come from: `--weights`, `--start-from`, and the backbones that take them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.backend import load_tensorflow, native_chatter_dropped
from edge.errors import MaskdError, UsageError


def weights_argument(text: str) -> str | None:
    """`--weights` as the networks take it. Raises UsageError for a file that is not there."""
    if text == "none":
        return None
    if text != "imagenet" and not Path(text).is_file():
        raise UsageError(f"--weights {text}: no such file; give imagenet, none or a file of Keras weights")
    return text


def require_patches(imitate: Path | None, network: str, option: str) -> None:
    """Raises UsageError where --imitate is given for a network without a stem of its own."""
    if imitate and network != "patches":
        raise UsageError(f"--imitate {imitate} needs {option}: other networks have no separate stem to train")


def require_start(keep_stem: bool, start_from: Sequence[Path]) -> None:
    """Raises UsageError where --keep-stem is given without --start-from."""
    if keep_stem and not start_from:
        raise UsageError("--keep-stem needs --start-from: there is no trained stem to keep")


def build_backbone(application: str, weights: str | None, **options: Any) -> Any:
    """A network of keras.applications without its top, with `weights` "imagenet", from a file, or random for None.

    Raises MaskdError where the weights cannot be downloaded, or do not fit the network.
    """
    import keras

    build = getattr(keras.applications, application)
    if weights == "imagenet":
        try:
            return build(include_top=False, weights="imagenet", **options)
        except Exception as error:  # a failed download is a plain Exception
            raise MaskdError(
                f"there are no ImageNet weights for {_described(application, options)} ({_one_line(error)}); "
                "give --weights none or a file"
            ) from error
    backbone = build(include_top=False, weights=None, **options)
    if weights is not None:
        try:
            with warnings.catch_warnings():
                # Keras warns once for each layer without a counterpart, before it refuses the file as a whole.
                warnings.simplefilter("ignore")
                backbone.load_weights(weights)
        except (OSError, ValueError) as error:
            raise MaskdError(
                f"{weights} does not contain weights of {_described(application, options)} without its top "
                f"({_one_line(error)}); give imagenet, none or another file"
            ) from error
    return backbone


def averaged_weights(paths: Sequence[Path], model: Any) -> list[NDArray[np.float32]]:
    """The mean of trained models' weights, which generalises better than each where they share their beginning
    (Wortsman et al. 2022, "Model soups"). Raises MaskdError for a file that is not a model of the same form."""
    collected = []
    for path in paths:
        weights = load_trained(path).get_weights()
        if [each.shape for each in weights] != [each.shape for each in model.get_weights()]:
            raise MaskdError(f"{path}: another architecture; give the options of its training")
        collected.append(weights)
    return [np.mean(same, axis=0, dtype=np.float32) for same in zip(*collected, strict=True)]


def load_trained(path: Path) -> Any:
    """The network of a run's `model.keras`. Raises MaskdError for another file, and where Keras is missing."""
    _, keras = load_tensorflow()
    try:
        with native_chatter_dropped():
            return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError) as error:
        raise MaskdError(
            f"{path}: not a Keras model ({_one_line(error)}); give the model.keras of a maskd-train run"
        ) from None


def _described(application: str, options: dict[str, Any]) -> str:
    return f"{application} of alpha {options['alpha']:g}" if "alpha" in options else application


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:160]
