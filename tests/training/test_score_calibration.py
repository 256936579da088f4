"""Scores that mean the same on each grid."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.tensorflow_tests import NEEDS_TENSORFLOW

pytestmark = NEEDS_TENSORFLOW


@pytest.mark.parametrize(("slope", "even"), [(1.0, 0.4), (2.5, -0.3)])
def test_the_logit_from_which_more_detections_are_faces_than_not(slope: float, even: float) -> None:
    from training.score_calibration import break_even

    random = np.random.default_rng(5)
    logits = random.normal(0, 1.5, 20_000)
    correct = random.random(len(logits)) < 1 / (1 + np.exp(-slope * (logits - even)))
    assert break_even(logits, correct) == pytest.approx(even, abs=0.05)


def test_few_detections_tell_nothing() -> None:
    from training.score_calibration import break_even

    assert break_even(np.linspace(-1, 1, 99), np.arange(99) > 40) is None


def test_where_every_detection_is_a_face_any_score_is_enough() -> None:
    from training.score_calibration import break_even

    logits = np.linspace(-0.8, 3, 200)
    even = break_even(logits, np.ones(200, bool))
    assert even is not None
    assert -100 < even < logits.min()
