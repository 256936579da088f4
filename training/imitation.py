"""Teaches a new stem to give the features of a trained network's, before the whole is trained.

It needs no labels: any picture will do, and every cell of it is an example.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


def imitate(
    student: Any, teacher: Any, pictures: Iterable[NDArray[np.float32]], *, steps: int, learning_rate: float = 4e-3
) -> list[float]:
    """Trains `student` to give what `teacher` gives, both models from pictures to features of the same shape, until the
    batches of pictures, shape (n, height, width, 3), end or `steps` are done.

    Returns the loss of each step: the squared error of a feature in units of its variance.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, alpha=0.02, warmup_target=learning_rate, warmup_steps=30
    )
    student.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=1e-4), loss=_relative_error, jit_compile=False
    )
    losses = []
    for _, batch in zip(range(steps), pictures, strict=False):
        target = teacher.predict_on_batch(batch)
        student.reset_metrics()
        losses.append(float(student.train_on_batch(batch, target)))
    return losses


def _relative_error(target: Any, answer: Any) -> Any:
    variance = ops.var(target, axis=(0, 1, 2)) + 1e-2
    return ops.mean(ops.square(target - answer) / variance)
