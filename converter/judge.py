"""Whether a model's answers on the test photos make sense, and what of the flags would make sense of them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.float_model import COLOR_ORDERS, SCALE_AND_OFFSET, ColorOrder, FloatModel, Preprocess
from converter.verify import Verification
from edge.errors import MaskdError
from edge.evaluation.examples import FaceCrop

LEAST_AGREEMENT = 0.95
"""Share of the test faces on which a quantized classifier gives the float model's label. The shipped one reaches 0.99;
at 0.95 every twentieth face changes its status for the quantization alone, whatever the accuracy says."""
_MOST_ORDERED = 6
"""Labels up to which every order is tried: 720 of them."""
_ENOUGH_OTHERS = 10
"""Faces of other labels, from which on to give them all the same answer is more than bad luck."""
_ABOUT_AS_GOOD = 0.02


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a classifier: what its pixels and its outputs mean."""

    labels: tuple[str, ...]
    preprocess: Preprocess
    color_order: ColorOrder


@dataclass(frozen=True, slots=True)
class _Fit:
    reading: Reading
    accuracy: float
    changes: tuple[str, ...]
    """The flags that differ from the reading that was asked for."""


def require_sense(model: FloatModel, crops: Sequence[FaceCrop], asked: Reading) -> None:
    """Raises MaskdError for a classifier that does no better on the test faces than always to give the commonest label:
    with the flags that fit, where some do. Faces of one label alone cannot tell."""
    counts = Counter(asked.labels[crop.label] for crop in crops)
    if len(counts) < 2:
        return
    images = np.stack([crop.image for crop in crops])
    truth = np.array([crop.label for crop in crops])
    rows = model.predict(images)[0]
    if rows.ndim != 2 or rows.shape[1] != len(asked.labels):
        return  # said by the proof
    answers = rows.argmax(axis=1)
    (commonest, most), accuracy = counts.most_common(1)[0], float((answers == truth).mean())
    share = most / len(crops)
    is_constant = len(set(answers.tolist())) == 1 and int((answers != truth).sum()) >= _ENOUGH_OTHERS
    if accuracy >= share and not is_constant:
        return
    if is_constant:
        found = f"the model labels all {len(crops)} test faces {asked.labels[answers[0]]}"
    else:
        found = f"the model is right on {accuracy:.3f} of the {len(crops)} test faces"
    found += f", and {share:.3f} of them are labelled {commonest}, the most frequent label; nothing was installed: "
    fits = [fit for fit in _fits(model, images, truth, asked) if fit.accuracy >= share + (1 - share) / 3]
    if not fits:
        raise MaskdError(
            f"{found}no order of the --labels, --preprocess or --color-order gives better answers, so train it "
            "longer, or give --data similar to its training photos"
        )
    best = max(fit.accuracy for fit in fits)
    fit = min((f for f in fits if f.accuracy >= best - _ABOUT_AS_GOOD), key=lambda f: (len(f.changes), -f.accuracy))
    raise MaskdError(f"{found}with {' '.join(fit.changes)} it is right on {fit.accuracy:.3f}")


def _fits(model: FloatModel, images: NDArray[np.uint8], truth: NDArray[np.intp], asked: Reading) -> Iterator[_Fit]:
    """Every other reading, with what it would be worth."""
    size = len(asked.labels)
    orders = list(itertools.permutations(range(size))) if size <= _MOST_ORDERED else [tuple(range(size))]
    for preprocess in SCALE_AND_OFFSET:
        for color_order in COLOR_ORDERS:
            answers = model.predict(_as_if(images, asked, preprocess, color_order))[0].argmax(axis=1)
            seen = np.zeros((size, size), np.int64)
            np.add.at(seen, (answers, truth), 1)
            for order in orders:
                labels = tuple(asked.labels[index] for index in order)
                reading = Reading(labels, preprocess, color_order)
                right = sum(int(seen[output, label]) for output, label in enumerate(order))
                yield _Fit(reading, right / len(truth), _changes(asked, reading))


def _as_if(
    images: NDArray[np.uint8], asked: Reading, preprocess: Preprocess, color_order: ColorOrder
) -> NDArray[np.float32]:
    """Pixels of which the model, loaded with what was asked for, sees what it would see of `images` otherwise."""
    (scale, offset), (own_scale, own_offset) = SCALE_AND_OFFSET[preprocess], SCALE_AND_OFFSET[asked.preprocess]
    pixels = images[..., ::-1] if color_order != asked.color_order else images
    return np.asarray((pixels * np.float32(scale) + (offset - own_offset)) / own_scale, dtype=np.float32)


def _changes(asked: Reading, reading: Reading) -> tuple[str, ...]:
    flags = (
        (f"--labels {','.join(reading.labels)}", reading.labels != asked.labels),
        (f"--preprocess {reading.preprocess}", reading.preprocess != asked.preprocess),
        (f"--color-order {reading.color_order}", reading.color_order != asked.color_order),
    )
    return tuple(flag for flag, differs in flags if differs)


def require_likeness(verification: Verification, max_drop: float) -> None:
    """Raises MaskdError where the quantized model is worse than the float one by more than `max_drop` points and by
    more than one face, or answers otherwise on too many faces though its accuracy is as high."""
    headline, agreement = verification.headline, verification.agreement
    remedy = "try more --calibration-photos, train the model longer, or avoid int8: --quantize dynamic"
    count, measure = headline.count, headline.measure
    # Figures are rounded to four digits.
    if verification.drop > max(max_drop, one_face(count) if max_drop else 0) + 0.02:
        faces = "" if agreement is None else f", {round(verification.drop / 100 * count)} of {count} faces"
        raise MaskdError(
            f"the quantized model loses {verification.drop:.1f} points of {measure}{faces}; --max-drop allows "
            f"{max_drop:g}; nothing was installed: {remedy}"
        )
    if agreement is None:
        return
    different = round((1 - agreement.value) * agreement.count)
    if different > max(1, agreement.count * max(1 - LEAST_AGREEMENT, max_drop / 100)):
        raise MaskdError(
            f"the quantized model disagrees with the float model on {different} of {agreement.count} test faces "
            f"(agreement {agreement.value:.3f}, at least {LEAST_AGREEMENT:g} is needed), whatever its accuracy; "
            f"nothing was installed: {remedy}"
        )


def one_face(count: int) -> float:
    """Points that one of so many faces is worth."""
    return 100 / count
