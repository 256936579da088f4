"""Makes a classifier's confidence mean what it says: of faces judged with 0.9, nine in ten are judged rightly; and
weighs a rare label that is worse to miss than to see where it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST = 30
"""Faces of a label, from which on its offset is fitted."""
_SHARPEST, _FLATTEST = 0.2, 5.0
_MOST_OFFSET = 3.0
_GOLDEN = (5**0.5 - 1) / 2
_ROUNDS = 40
_TURNS = 5


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was done to the logits: divided by `temperature`, of which `fitted` made the labels likeliest, then `offset`
    added to that of the rare label."""

    temperature: float
    fitted: float
    offset: float


def fit_temperature(logits: Floats, truth: NDArray[np.int64], offsets: Floats | float = 0.0) -> float:
    """The temperature that makes the true labels likeliest; below 1 it sharpens, above 1 it flattens.

    `logits` (n, labels) of faces that the model did not learn from, `truth` (n,) their labels' indices; `offsets`
    (labels,) are added after the division. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section
    4.2; the likelihood has one peak, which a golden section search finds.
    """
    logarithm = _lowest(
        lambda middle: _surprise(logits / np.exp(middle) + offsets, truth), np.log(_SHARPEST), np.log(_FLATTEST)
    )
    return float(np.exp(logarithm))


def fit_offset(logits: Floats, truth: NDArray[np.int64], label: int) -> float:
    """What added to the logit of `label` makes the true labels likeliest (Alexandari et al., "Maximum Likelihood with
    Bias-Corrected Calibration", ICML 2020); 0 where fewer than FEWEST faces have it, which prove nothing.

    The training shows rare labels more often than they are, which leaves them too probable.
    """
    if np.count_nonzero(truth == label) < FEWEST:
        return 0.0
    at = np.eye(logits.shape[1])[label]
    return _lowest(lambda offset: _surprise(logits + offset * at, truth), -_MOST_OFFSET, _MOST_OFFSET)


def proven_temperature(logits: Floats, truth: NDArray[np.int64], offsets: Floats | float = 0.0) -> float:
    """The lowest temperature at which the mean confidence claims no more than these faces prove; see
    `fit_temperature`.

    Three mistakes more than were made are compatible with any such count (the rule of three, Hanley & Lippman-Hand,
    JAMA 1983). Without it a model that makes no mistake on few faces would be sharpened without end.
    """
    right = int(np.count_nonzero((logits + offsets).argmax(axis=1) == truth))
    provable = right / (len(truth) + 3)
    low, high = float(np.log(_SHARPEST)), float(np.log(_FLATTEST))
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if _mean_confidence(logits / np.exp(middle) + offsets) > provable:
            low = middle
        else:
            high = middle
    return float(np.exp(high))


def calibrate(model: Any, crops: NDArray[np.float32], truth: NDArray[np.int64], rare: int | None = None) -> Calibration:
    """Divides the logits by a temperature fitted to faces that the model did not learn from, or by a higher one where
    these prove less, and adds an offset fitted to them to that of the label `rare`.

    `crops` (n, height, width, 3), `truth` (n,) indices of labels. The last layer, `status`, changes in place: without
    `rare` the model gives other confidences, and the same labels as before.
    """
    import keras

    last = model.get_layer("status")
    features = keras.Model(model.input, last.input).predict(crops, verbose=0)
    kernel, bias = last.get_weights()
    logits = np.asarray(features @ kernel + bias, dtype=np.float64)
    fitted = fit_temperature(logits, truth)
    offsets = np.zeros(logits.shape[1])
    if rare is not None:
        for _ in range(_TURNS):
            offsets[rare] = fit_offset(logits / fitted, truth, rare)
            fitted = fit_temperature(logits, truth, offsets)
    temperature = max(fitted, proven_temperature(logits, truth, offsets))
    last.set_weights([kernel / temperature, bias / temperature + offsets])
    return Calibration(temperature, fitted, float(offsets.sum()))


def favour(model: Any, label: int, times: float) -> None:
    """Changes the last layer in place: before all are scaled to a sum of one, the label's probability is multiplied."""
    last = model.get_layer("status")
    kernel, bias = last.get_weights()
    bias[label] += np.log(times)
    last.set_weights([kernel, bias])


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Where `function`, which has one valley between `low` and `high`, is lowest."""
    low, high = float(low), float(high)
    for _ in range(_ROUNDS):
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if function(a) < function(b):
            high = b
        else:
            low = a
    return (low + high) / 2


def _mean_confidence(logits: Floats) -> float:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return float((1 / shifted.sum(axis=1)).mean())


def _surprise(logits: Floats, truth: NDArray[np.int64]) -> float:
    """Mean negative log likelihood of the true labels."""
    highest = logits.max(axis=1)
    total = np.log(np.exp(logits - highest[:, None]).sum(axis=1)) + highest
    return float((total - logits[np.arange(len(truth)), truth]).mean())
