"""Trains the mask classifier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge.errors import MaskdError
from edge.vision.preprocess import crop_face
from training.architectures import BASELINE
from training.checkpoint import Checkpoint, kept_figures, prepare
from training.dataset import FaceSample
from training.fused_normalization import fused
from training.imitation import imitate
from training.mask_augment import random_crop
from training.mask_network import build_mask_classifier
from training.patch_backbone import FIRST_AFTER_STEM, STEM_FEATURE, STEM_OUTPUT, take_over
from training.weights import averaged_weights, load_trained

LABELS = {
    3: ("with_mask", "without_mask", "mask_weared_incorrect"),
    2: ("with_mask", "without_mask"),
}
FAVOURED = "mask_weared_incorrect"
"""The label that is rarest on photos, and worst to miss."""
CROP_MARGIN = 0.25
"""Share of the face's longer side that the crop shows on every side: the straps, and a mask below the chin."""


@dataclass(frozen=True, slots=True)
class MaskTraining:
    """How to train; learning rates at their peak, `input_size` in pixels."""

    labels: tuple[str, ...] = LABELS[3]
    architecture: str = "mobilenet_v2"
    alpha: float = 0.35
    input_size: int = 96
    weights: str | None = "imagenet"
    epochs: int = 30
    head_epochs: int = 2
    batch_size: int = 64
    learning_rate: float | None = None
    """Of the whole network; None: 1e-3, and with `start_from` 3e-4."""
    head_learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    label_smoothing: float = 0.05
    mixup: float = 0.2
    patience: int = 10
    painted_share: float = 0.15
    """Share of the crops that come from faces with painted masks, where there are any."""
    start_from: tuple[Path, ...] = ()
    """Trained models of the same form, whose averaged weights are the start in place of `weights`."""
    teachers: tuple[Path, ...] = ()
    """Trained classifiers of the same labels, whose mean answer makes up half of what is learnt of each crop."""
    keep_stem: bool = False
    """With `start_from` a network of MobileNetV2: its layers down to stride 8, the expensive ones, stay as they are."""
    imitate: Path | None = None
    """A trained classifier of the architecture `mobilenet_v2`: `patches` starts with its layers, and its stem first
    learns to give the same features; in place of `weights`."""
    imitation_steps: int = 600
    favour: float = 1.0
    """FAVOURED counts as if it were so many times as probable."""
    seed: int = 1

    @property
    def frozen_epochs(self) -> int:
        """Epochs that train the head alone. The whole network gets one even where one is all that was asked for."""
        is_trained = bool(self.start_from or self.imitate)
        return 0 if is_trained or self.architecture == BASELINE else min(self.head_epochs, self.epochs - 1)


class MaskBatches(keras.utils.PyDataset):  # type: ignore[misc]  # keras ships no types
    """Batches of random crops, a class drawn by a power of its size, and `painted_share` of them from the painted
    faces, all alike; the same seed gives the same crops in the same order."""

    def __init__(
        self,
        samples: Sequence[FaceSample],
        options: MaskTraining,
        painted: Sequence[FaceSample] = (),
        teachers: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.samples = [*samples, *painted]
        self.options = options
        self.teachers = teachers
        counts = Counter(sample.label for sample in samples)
        # Between equal shares, which make the rare class be seen everywhere, and the shares as they are, which make it
        # be overlooked (Mahajan et al. 2018, section 2.2, take the root; the three-quarter power errs less often).
        chances = np.array([counts[sample.label] ** -0.25 for sample in samples])
        chances /= chances.sum()
        share = options.painted_share if painted else 0.0
        self.chances = np.concatenate([chances * (1 - share), np.full(len(painted), share / max(1, len(painted)))])
        self.length = max(1, len(samples) // options.batch_size)
        self.epoch = 0

    def __len__(self) -> int:
        return self.length

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng((self.options.seed, self.epoch, index))
        chosen = rng.choice(len(self.samples), self.options.batch_size, p=self.chances)
        size = self.options.input_size
        views = [random_crop(self.samples[i], margin=CROP_MARGIN, size=size, rng=rng) for i in chosen]
        crops = np.stack(views).astype(np.float32)
        truth = one_hot([self.samples[i].label for i in chosen], self.options.labels)
        if self.teachers:
            truth = taught(truth, [np.asarray(teacher(crops, training=False)) for teacher in self.teachers])
        return mixed(crops, truth, self.options.mixup, rng)


def taught(truth: NDArray[np.float32], answers: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The labels (n, labels) and the teachers' mean answer, half and half: what several models agree on tells a
    doubtful crop from a clear one, and a wrong label from a right one (Hinton et al. 2015,
    "Distilling the Knowledge in a Neural Network")."""
    return np.asarray((truth + np.mean(answers, axis=0)) / 2, dtype=np.float32)


def mixed(
    crops: NDArray[np.float32], truth: NDArray[np.float32], alpha: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each crop (n, h, w, 3) blended with another of the batch, its truth (n, labels) with the other's, so that wrong
    labels are not learnt by heart: mixup (Zhang et al. 2018), with shares drawn from Beta(alpha, alpha); 0: unmixed."""
    if alpha <= 0:
        return crops, truth
    share = rng.beta(alpha, alpha, len(crops)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    other = rng.permutation(len(crops))
    by_crop, by_label = share[:, None, None, None], share[:, None]
    return crops * by_crop + crops[other] * (1 - by_crop), truth * by_label + truth[other] * (1 - by_label)


def one_hot(labels: Sequence[str], known: Sequence[str]) -> NDArray[np.float32]:
    """Shape (len(labels), len(known)): 1 if the label is in `known`."""
    return np.eye(len(known), dtype=np.float32)[[list(known).index(label) for label in labels]]


def plain_crops(samples: Sequence[FaceSample], input_size: int) -> NDArray[np.uint8]:
    """The faces as the daemon would crop them, shape (n, input_size, input_size, 3)."""
    crops = [crop_face(s.image, s.box, margin=CROP_MARGIN, size=input_size) for s in samples]
    return np.stack(crops) if crops else np.zeros((0, input_size, input_size, 3), np.uint8)


def train_masks(
    train: Sequence[FaceSample],
    validation: Sequence[FaceSample],
    options: MaskTraining,
    out: Path,
    *,
    resume: bool,
    painted: Sequence[FaceSample] = (),
) -> tuple[Any, dict[str, list[float]]]:
    """Trains in two stages and returns (model with the best weights, history by epoch).

    First the head on the frozen backbone, then everything at a lower rate, with a moving average of the weights.
    Without validation samples there is no early stopping. Each stage keeps a checkpoint in `out` after every epoch;
    `resume` goes on from the last one. `painted`: faces with masks put on them, which join the training.
    """
    keras.utils.set_random_seed(options.seed)
    model, backbone = build_mask_classifier(
        options.architecture,
        len(options.labels),
        input_size=options.input_size,
        alpha=options.alpha,
        weights=None if options.start_from or options.imitate else options.weights,
    )
    if options.start_from:
        model.set_weights(averaged_weights(options.start_from, model))
        if options.keep_stem:
            freeze_stem(model)
    elif options.imitate and not resume:
        _begin_as(model, options.imitate, MaskBatches(train, options))
    held_out = None
    if validation:
        crops = plain_crops(validation, options.input_size).astype(np.float32)
        held_out = crops, one_hot([sample.label for sample in validation], options.labels)
    batches = MaskBatches(train, options, painted, _teachers(options), workers=2, max_queue_size=8)
    history: dict[str, list[float]] = {}
    head_epochs = options.frozen_epochs
    if backbone is not None and head_epochs:
        backbone.trainable = False
        _fit(model, batches, held_out, options, out / "checkpoint-head", head_epochs, history, resume, head=True)
        backbone.trainable = True
    fine_epochs = options.epochs - head_epochs
    _fit(model, batches, held_out, options, out / "checkpoint", fine_epochs, history, resume, head=False)
    return model, history


def freeze_stem(model: Any) -> None:
    """Keeps the layers of a classifier down to stride 8 as they are. Raises MaskdError for a network without one."""
    inner = next((layer for layer in model.layers if isinstance(layer, keras.Model)), None)
    if inner is None or FIRST_AFTER_STEM not in {layer.name for layer in inner.layers}:
        raise MaskdError("--keep-stem is for --arch mobilenet_v2 and patches, whose stems end at stride 8")
    for layer in keras.Model(inner.input, inner.get_layer(FIRST_AFTER_STEM).input).layers:
        layer.trainable = False


def _begin_as(model: Any, path: Path, batches: MaskBatches) -> None:
    """The layers of a trained classifier, and a stem that imitates its. Raises MaskdError for one of another form."""
    teacher = load_trained(path)
    theirs = next((layer for layer in teacher.layers if isinstance(layer, keras.Model)), None)
    if theirs is None or STEM_FEATURE not in {layer.name for layer in theirs.layers}:
        raise MaskdError(f"{path} cannot be imitated: it is not a classifier of --arch mobilenet_v2; train one first")
    mine = model.get_layer("patches")
    take_over(mine, theirs)
    take_over(model, teacher)
    steps = batches.options.imitation_steps
    normalise = model.get_layer("normalise")
    pictures = (np.asarray(normalise(batches[index][0])) for index in range(steps))
    stem = keras.Model(mine.input, mine.get_layer(STEM_OUTPUT).output)
    losses = imitate(stem, keras.Model(theirs.input, theirs.get_layer(STEM_FEATURE).output), pictures, steps=steps)
    print(f"the stem's error, in units of the feature's variance: {losses[0]:.3f} at first, {losses[-1]:.3f} now")


def _teachers(options: MaskTraining) -> list[Any]:
    """The trained models to learn from. Raises MaskdError for one that takes other crops or gives other labels."""
    teachers = []
    for path in options.teachers:
        teacher = load_trained(path)
        size, labels = teacher.input_shape[1], teacher.output_shape[-1]
        if (size, labels) != (options.input_size, len(options.labels)):
            raise MaskdError(
                f"{path} cannot be a teacher here: it takes {size} px and outputs {labels} labels, not "
                f"{options.input_size} px and {len(options.labels)}"
            )
        teachers.append(teacher)
    return teachers


def _fit(
    model: Any,
    batches: MaskBatches,
    held_out: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
    options: MaskTraining,
    checkpoint: Path,
    epochs: int,
    history: dict[str, list[float]],
    resume: bool,
    *,
    head: bool,
) -> None:
    steps = max(1, len(batches) * epochs)
    fine = options.learning_rate or (3e-4 if options.start_from else 1e-3)
    peak = options.head_learning_rate if head else fine
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, alpha=0.01, warmup_target=peak, warmup_steps=min(100, max(1, steps // 10))
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=options.weight_decay, use_ema=not head, ema_momentum=0.998
    )
    learner = fused(model)
    learner.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=options.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,
    )
    batches.epoch = prepare(checkpoint, resume=resume)
    # The checkpoint is written first, so that it holds the raw weights that training resumes from; then the averaged
    # ones, which are what ships, are swapped in and judged.
    callbacks = [Checkpoint(checkpoint)]
    if not head:
        callbacks.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    if held_out is not None and not head:
        callbacks.append(
            keras.callbacks.EarlyStopping("val_loss", patience=options.patience, restore_best_weights=True)
        )
    learner.fit(batches, validation_data=held_out, epochs=epochs, callbacks=callbacks)
    model.set_weights(learner.get_weights())
    for name, values in kept_figures(checkpoint).items():
        history.setdefault(name, []).extend(values)
