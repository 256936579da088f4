"""Makes a classifier's confidence mean what it says: of faces judged with 0.9, nine in ten are judged rightly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SHARPEST, _FLATTEST = 0.2, 5.0
_GOLDEN = (5**0.5 - 1) / 2
_ROUNDS = 40


def fit_temperature(logits: Floats, truth: NDArray[np.int64]) -> float:
    """The temperature that makes the true labels likeliest; below 1 it sharpens, above 1 it flattens.

    `logits` (n, labels) of faces that the model did not learn from, `truth` (n,) their labels' indices. Guo et al., "On
    Calibration of Modern Neural Networks", ICML 2017, section 4.2; the likelihood has one peak, which a golden section
    search finds.
    """
    low, high = float(np.log(_SHARPEST)), float(np.log(_FLATTEST))
    for _ in range(_ROUNDS):
        a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _surprise(logits / np.exp(a), truth) < _surprise(logits / np.exp(b), truth):
            high = b
        else:
            low = a
    return float(np.exp((low + high) / 2))


def proven_temperature(logits: Floats, truth: NDArray[np.int64]) -> float:
    """The lowest temperature at which the mean confidence claims no more than these faces prove; see
    `fit_temperature`.

    Three mistakes more than were made are compatible with any such count (the rule of three, Hanley & Lippman-Hand,
    JAMA 1983). Without it a model that makes no mistake on few faces would be sharpened without end.
    """
    right = int(np.count_nonzero(logits.argmax(axis=1) == truth))
    provable = right / (len(truth) + 3)
    low, high = float(np.log(_SHARPEST)), float(np.log(_FLATTEST))
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if _mean_confidence(logits / np.exp(middle)) > provable:
            low = middle
        else:
            high = middle
    return float(np.exp(high))


def calibrate(model: Any, crops: NDArray[np.float32], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Divides the logits by a temperature fitted to faces that the model did not learn from, or by a higher one where
    these prove less; returns (the temperature in effect, the fitted one).

    `crops` (n, height, width, 3), `truth` (n,) indices of labels. The last layer, `status`, changes in place: the
    model gives other confidences, and the same labels as before.
    """
    import keras

    last = model.get_layer("status")
    features = keras.Model(model.input, last.input).predict(crops, verbose=0)
    kernel, bias = last.get_weights()
    logits = np.asarray(features @ kernel + bias, dtype=np.float64)
    fitted = fit_temperature(logits, truth)
    temperature = max(fitted, proven_temperature(logits, truth))
    last.set_weights([kernel / temperature, bias / temperature])
    return temperature, fitted


def _mean_confidence(logits: Floats) -> float:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return float((1 / shifted.sum(axis=1)).mean())


def _surprise(logits: Floats, truth: NDArray[np.int64]) -> float:
    """Mean negative log likelihood of the true labels."""
    highest = logits.max(axis=1)
    total = np.log(np.exp(logits - highest[:, None]).sum(axis=1)) + highest
    return float((total - logits[np.arange(len(truth)), truth]).mean())
