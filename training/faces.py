"""Trains the face detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from edge.evaluation.labelled import LabelledPhoto, read_photo
from edge.vision.faces import Face
from edge.vision.overlap import boxes_to_array
from edge.vision.preprocess import Image
from training.checkpoint import Checkpoint, kept_figures, prepare
from training.face_augment import View, random_view, tiled_view
from training.face_loss import DetectorTrainer
from training.face_network import build_face_detector, with_logits
from training.face_targets import targets
from training.face_teacher import taught
from training.fused_normalization import fused
from training.imitation import imitate
from training.patch_backbone import FIRST_AFTER_STEM, STEM_FEATURE, STEM_OUTPUT, take_over
from training.weights import averaged_weights

INPUTS = {"fast": (256, 320), "far": (512, 640)}
"""Height and width, in pixels, of the shipped detectors' inputs."""


@dataclass(frozen=True, slots=True)
class FaceTraining:
    """How to train; `input` (height, width) and `crop` in pixels, learning rates at their peak."""

    input: tuple[int, int] = INPUTS["fast"]
    backbone: str = "mobilenet_v2"
    alpha: float = 0.35
    weights: str | None = "imagenet"
    start_from: tuple[Path, ...] = ()
    """Trained detectors of the same form, whose averaged weights are the start in place of `weights`."""
    keep_stem: bool = False
    """With `start_from`: the layers down to stride 8, the expensive ones, stay as they are."""
    imitate: Path | None = None
    """A trained detector of the backbone `mobilenet_v2`: `patches` starts with its layers, and its stem first learns to
    give the same features; in place of `weights`."""
    imitation_steps: int = 600
    crop: int = 256
    epochs: int = 24
    batch_size: int = 32
    learning_rate: float | None = None
    """None: 2e-3, and with `start_from` 7e-4."""
    weight_decay: float = 5e-4
    tiled: float = 0.2
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Example:
    """A decoded photo with its faces; `weight` is how often an epoch shows it, on average."""

    image: Image
    boxes: NDArray[np.float32]
    ignored: NDArray[np.float32]
    weight: float


def load_examples(
    photos: Sequence[tuple[LabelledPhoto, float]], teacher: Callable[[Image], Sequence[Face]] | None = None
) -> list[Example]:
    """Decodes the photos, each with its weight; unreadable ones were dropped when the data set was checked.

    What `teacher` finds on the photos with labelled faces joins the labels; see `face_teacher.taught`.
    """

    def load(item: tuple[LabelledPhoto, float]) -> Example:
        photo, weight = item
        image = read_photo(photo.path)
        if teacher is not None and photo.faces:
            photo = taught(photo, teacher(image))
        boxes = boxes_to_array([face.box for face in photo.faces])
        return Example(image, boxes, boxes_to_array(photo.ignored), weight)

    # OpenCV's detectors are not for several threads at a time.
    with ThreadPoolExecutor(1 if teacher else 4) as pool:
        return list(pool.map(load, photos))


class FaceBatches(keras.utils.PyDataset):  # type: ignore[misc]  # keras ships no types
    """Batches of random views with their targets; the same seed gives the same views in the same order."""

    def __init__(self, examples: Sequence[Example], options: FaceTraining, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.examples = examples
        self.options = options
        weights = np.array([example.weight for example in examples])
        self.chances = weights / weights.sum()
        self.steps = max(1, round(float(weights.sum()) / options.batch_size))
        self.epoch = 0

    def __len__(self) -> int:
        return self.steps

    def on_epoch_end(self) -> None:
        self.epoch += 1

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        rng = np.random.default_rng((self.options.seed, self.epoch, index))
        crop = self.options.crop
        views = [self._view(rng) for _ in range(self.options.batch_size)]
        pictures = np.stack([view.image for view in views]).astype(np.float32)
        maps = [targets(view.boxes, view.ignored, crop, crop) for view in views]
        return pictures, {name: np.stack([each[name] for each in maps]) for name in maps[0]}

    def _view(self, rng: np.random.Generator) -> View:
        crop = self.options.crop
        if rng.random() < self.options.tiled:
            return tiled_view([self._single(rng, crop // 2) for _ in range(4)], crop)
        return self._single(rng, crop)

    def _single(self, rng: np.random.Generator, size: int) -> View:
        example = self.examples[rng.choice(len(self.examples), p=self.chances)]
        return random_view(example.image, example.boxes, example.ignored, size, max(self.options.input), rng)


def train_faces(
    examples: Sequence[Example], options: FaceTraining, out: Path, *, resume: bool
) -> tuple[Any, dict[str, list[float]]]:
    """Trains and returns (network for pictures of any multiples of 32, history by epoch).

    A checkpoint is kept in `out` after each epoch; `resume` goes on from it.
    """
    keras.utils.set_random_seed(options.seed)
    weights = None if options.start_from or options.imitate else options.weights
    network = build_face_detector(None, None, alpha=options.alpha, weights=weights, backbone=options.backbone)
    if options.start_from:
        network.set_weights(averaged_weights(options.start_from, network))
        if options.keep_stem:
            for layer in keras.Model(network.input, network.get_layer(FIRST_AFTER_STEM).input).layers:
                layer.trainable = False
    elif options.imitate and not resume:
        _begin_as(network, options.imitate, examples, options)
    learner = fused(network)
    trainer = DetectorTrainer(with_logits(learner))
    batches = FaceBatches(examples, options, workers=2, max_queue_size=8)
    steps = len(batches) * options.epochs
    peak = options.learning_rate or (7e-4 if options.start_from else 2e-3)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, alpha=0.01, warmup_target=peak, warmup_steps=min(300, steps // 10)
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=options.weight_decay, use_ema=True, ema_momentum=0.998, clipnorm=10.0
    )
    # XLA on a CPU takes longer to compile this graph than to train it.
    trainer.compile(optimizer=optimizer, jit_compile=False)
    trainer.build((None, options.crop, options.crop, 3))
    checkpoint = out / "checkpoint"
    batches.epoch = prepare(checkpoint, resume=resume)
    trainer.fit(batches, epochs=options.epochs, callbacks=[Checkpoint(checkpoint)])
    network.set_weights(learner.get_weights())
    return network, kept_figures(checkpoint)


def _begin_as(network: Any, path: Path, examples: Sequence[Example], options: FaceTraining) -> None:
    """The layers of a trained detector of the other backbone, and a stem that imitates its."""
    teacher = build_face_detector(None, None, alpha=options.alpha, weights=None)
    teacher.set_weights(averaged_weights([path], teacher))
    take_over(network, teacher)
    batches = FaceBatches(examples, replace(options, crop=192, batch_size=16, seed=options.seed + 1))
    pictures = (batches[index][0] for index in range(options.imitation_steps))
    stem = keras.Model(network.input, network.get_layer(STEM_OUTPUT).output)
    features = keras.Model(teacher.input, teacher.get_layer(STEM_FEATURE).output)
    losses = imitate(stem, features, pictures, steps=options.imitation_steps)
    print(f"the stem's error, in units of the feature's variance: {losses[0]:.3f} at first, {losses[-1]:.3f} now")


def for_device(network: Any, options: FaceTraining) -> Any:
    """The same detector with the device's input size."""
    detector = build_face_detector(*options.input, alpha=options.alpha, weights=None, backbone=options.backbone)
    detector.set_weights(network.get_weights())
    return detector
