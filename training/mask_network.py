"""The classifier's networks: a keras.applications backbone with a small head, or the plain baseline."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from training.architectures import BASELINE, FAMILIES, PATCHES
from training.patch_backbone import patch_features, take_over
from training.weights import build_backbone

_DROPOUT = 0.3
# The means, in the order blue, green, red, that ResNet50's ImageNet weights expect to be taken off (He et al. 2015).
_RESNET_MEANS_BGR = (103.939, 116.779, 123.68)


def build_mask_classifier(
    architecture: str, labels: int, *, input_size: int, alpha: float, weights: str | None
) -> tuple[Any, Any | None]:
    """(model, backbone to freeze at first; None for the baseline).

    The model takes raw RGB of shape (input_size, input_size, 3), 0 to 255, and gives probabilities of shape (labels,).
    `weights` is "imagenet", a weights file of the backbone without its top, or None. Raises MaskdError for weights
    that cannot be had or do not fit.
    """
    picture = layers.Input((input_size, input_size, 3), name="face")
    if architecture == BASELINE:
        return keras.Model(picture, _head(_baseline(picture), labels), name="mask_classifier"), None
    if architecture == PATCHES:
        backbone = _patch_backbone(input_size, alpha, weights)
        features = layers.GlobalAveragePooling2D(name="pool")(backbone(_normalised(picture, "unit_range")))
        return keras.Model(picture, _head(features, labels), name="mask_classifier"), backbone
    family = FAMILIES[architecture]
    options: dict[str, Any] = {"alpha": alpha} if family.has_alpha else {}
    if family.build == "MobileNetV3Small":
        options["include_preprocessing"] = True
    backbone = build_backbone(family.build, weights, input_shape=(input_size, input_size, 3), **options)
    features = layers.GlobalAveragePooling2D(name="pool")(backbone(_normalised(picture, family.normalisation)))
    return keras.Model(picture, _head(features, labels), name="mask_classifier"), backbone


def _patch_backbone(input_size: int, alpha: float, weights: str | None) -> Any:
    picture = layers.Input((input_size, input_size, 3))
    # Named and formed as Keras' MobileNetV2 ends.
    x = layers.Conv2D(1280, 1, use_bias=False, name="Conv_1")(patch_features(picture, alpha)[-1])
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name="Conv_1_bn")(x)
    backbone = keras.Model(picture, layers.ReLU(6.0, name="out_relu")(x), name="patches")
    if weights is not None:
        take_over(
            backbone, build_backbone("MobileNetV2", weights, input_shape=(input_size, input_size, 3), alpha=alpha)
        )
    return backbone


def _normalised(picture: Any, kind: str) -> Any:
    if kind == "unit_range":
        return layers.Rescaling(1 / 127.5, -1, name="normalise")(picture)
    if kind == "caffe":
        return layers.Rescaling(1.0, [-mean for mean in _RESNET_MEANS_BGR], name="normalise")(
            keras.ops.flip(picture, -1)
        )
    return picture


def _baseline(picture: Any) -> Any:
    x = layers.Rescaling(1 / 255, name="normalise")(picture)
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    return layers.Dense(64, activation="relu")(layers.Flatten()(x))


def _head(features: Any, labels: int) -> Any:
    return layers.Dense(labels, activation="softmax", name="status")(layers.Dropout(_DROPOUT)(features))
