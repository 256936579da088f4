"""Confidence that means what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.evaluation.metrics import expected_calibration_error
from training.confidence import FEWEST, fit_offset, fit_temperature, proven_temperature


def drawn(scale: float, count: int = 20_000) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits that overstate what is known `scale` times, and labels drawn from what is known."""
    random = np.random.default_rng(3)
    known = random.normal(0, 2, (count, 3))
    chances = np.exp(known) / np.exp(known).sum(axis=1, keepdims=True)
    truth = (random.random(count)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    return known * scale, truth


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_takes_back_how_much_the_logits_overstate(scale: float) -> None:
    logits, truth = drawn(scale)
    assert fit_temperature(logits, truth) == pytest.approx(scale, rel=0.05)


def test_a_fitted_temperature_makes_nine_of_ten_right_at_a_confidence_of_nine_tenths() -> None:
    logits, truth = drawn(3.0)
    assert error_of(logits, truth) > 0.1
    assert error_of(logits / fit_temperature(logits, truth), truth) < 0.01


def test_few_faces_without_a_mistake_do_not_prove_certainty() -> None:
    truth = np.arange(60) % 3
    logits = np.eye(3)[truth] * 3.0
    assert fit_temperature(logits, truth) == pytest.approx(0.2, rel=0.01), "the likelihood would sharpen without end"
    temperature = proven_temperature(logits, truth)
    chances = np.exp(logits / temperature) / np.exp(logits / temperature).sum(axis=1, keepdims=True)
    assert chances.max(axis=1).mean() == pytest.approx(60 / 63, abs=0.001)


def test_many_faces_prove_what_was_fitted() -> None:
    logits, truth = drawn(0.5)
    assert proven_temperature(logits, truth) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("excess", [-0.7, 0.0, 1.2])
def test_the_offset_takes_back_how_much_too_probable_a_label_is(excess: float) -> None:
    logits, truth = drawn(1.0)
    logits[:, 2] += excess
    assert fit_offset(logits, truth, 2) == pytest.approx(-excess, abs=0.06)


def test_few_faces_of_a_label_prove_no_offset() -> None:
    logits, truth = drawn(1.0)
    logits[:, 2] += 1.2
    few = np.concatenate([np.flatnonzero(truth != 2), np.flatnonzero(truth == 2)[: FEWEST - 1]])
    assert fit_offset(logits[few], truth[few], 2) == 0.0


def error_of(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return expected_calibration_error(chances.max(axis=1), chances.argmax(axis=1) == truth)


def untrained() -> tuple[Any, NDArray[np.float32]]:
    """A classifier of three labels, and forty crops for it."""
    keras = pytest.importorskip("keras")
    from training.mask_network import build_mask_classifier

    keras.utils.set_random_seed(1)
    model, _ = build_mask_classifier("cnn", 3, input_size=32, alpha=1, weights=None)
    return model, np.random.default_rng(1).uniform(0, 255, (40, 32, 32, 3)).astype(np.float32)


def test_folding_the_temperature_into_the_weights_changes_confidence_and_no_label() -> None:
    from training.confidence import calibrate

    model, crops = untrained()
    kernel, bias = model.get_layer("status").get_weights()
    model.get_layer("status").set_weights([kernel * 20, bias])
    before = model.predict(crops, verbose=0)
    done = calibrate(model, crops, np.arange(40) % 3)
    after = model.predict(crops, verbose=0)
    assert done.temperature > 1
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    assert after.max(axis=1).mean() < before.max(axis=1).mean()


def test_a_favoured_label_is_so_many_times_as_probable_as_it_is() -> None:
    from training.confidence import calibrate, favour

    model, crops = untrained()
    calibrate(model, crops, np.arange(40) % 3, 2)
    fair = model.predict(crops, verbose=0)
    favour(model, 2, 4.0)
    wanted = fair * [1, 1, 4]
    assert model.predict(crops, verbose=0) == pytest.approx(wanted / wanted.sum(axis=1, keepdims=True), abs=1e-4)
