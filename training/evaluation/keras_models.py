"""Models of a maskd-train run before conversion, asked as the daemon asks the converted ones: the only file of the
evaluation that imports Keras, and only where such a model is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converter.backend import load_tensorflow
from converter.card import ModelCard, card_path, read_card
from edge.errors import MaskdError
from edge.geometry import Box
from edge.vision.model import Task
from edge.vision.preprocess import Image, crop_face
from training.weights import load_trained

if TYPE_CHECKING:
    from training.face_results import KerasFaceDetector


class KerasClassifier:
    """A mask classifier before conversion."""

    def __init__(self, path: Path) -> None:
        """`path`: model.keras, with its model.json next to it. Raises MaskdError where one is missing or is another
        kind."""
        card = _card(path, "mask_classification")
        self._network = load_trained(path)
        shape = tuple(self._network.input_shape)
        if shape[1] != shape[2] or self._network.output_shape != (None, len(card.labels)):
            raise MaskdError(
                f"{path} takes {shape} and outputs {self._network.output_shape}, which does not match the "
                f"{len(card.labels)} labels in {card_path(path)}; train it again"
            )
        self.identity = f"{card.name} (Keras)"
        self.labels = tuple(card.labels)
        self.min_confidence = card.thresholds.min_confidence
        self._margin = card.crop_margin
        self._size = int(shape[1])

    def probabilities(self, image: Image, boxes: Sequence[Box]) -> NDArray[np.float64]:
        """Shape (n, number of labels)."""
        if not boxes:
            return np.zeros((0, len(self.labels)))
        crops = np.stack([crop_face(image, box, margin=self._margin, size=self._size) for box in boxes])
        return np.asarray(self._network(crops.astype(np.float32), training=False), dtype=np.float64)


def open_keras_detector(path: Path) -> KerasFaceDetector:
    """A face detector before conversion.

    `path`: model.keras, with its model.json next to it. Raises MaskdError where one is missing or is another kind.
    """
    card = _card(path, "face_detection")
    network = load_trained(path)
    height, width = network.input_shape[1:3]
    from training.face_results import KerasFaceDetector

    return KerasFaceDetector(
        _of_any_size(network),
        (height, width),
        card.resizable,
        identity=f"{card.name} (Keras)",
        recommended_min_score=0.5 if card.thresholds.min_score is None else card.thresholds.min_score,
    )


def _card(path: Path, task: Task) -> ModelCard:
    if not path.is_file():
        raise MaskdError(f"the model {path} does not exist; give the model.keras of a maskd-train run")
    card = read_card(path)
    if card is None:
        raise MaskdError(f"{card_path(path)} is missing; keep a trained model together with the .json of its run")
    if card.task != task:
        raise MaskdError(f"the model {path} is for {card.task}, but {task} is needed here")
    return card


def _of_any_size(network: Any) -> Any:
    """The same network for pictures of any multiples of 32, as the converted graph takes them."""
    _, keras = load_tensorflow()
    config = network.get_config()
    config["layers"][0]["config"]["batch_shape"] = (None, None, None, 3)
    resizable = keras.Model.from_config(config)
    resizable.set_weights(network.get_weights())
    return resizable
