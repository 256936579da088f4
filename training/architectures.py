"""The networks that a classifier can be, without Keras: the command line lists them before it is imported."""

from __future__ import annotations

from dataclasses import dataclass

BASELINE = "cnn"
PATCHES = "patches"
"""MobileNetV2 behind the stem of `patch_backbone`."""


@dataclass(frozen=True, slots=True)
class Family:
    """A keras.applications network: how to build it, and the normalisation that its weights expect."""

    build: str
    normalisation: str
    has_alpha: bool = False


FAMILIES = {
    "mobilenet_v2": Family("MobileNetV2", "unit_range", has_alpha=True),
    "mobilenet_v3_small": Family("MobileNetV3Small", "inside", has_alpha=True),
    "efficientnet_b0": Family("EfficientNetB0", "inside"),
    "resnet50": Family("ResNet50", "caffe"),
    "inception_v3": Family("InceptionV3", "unit_range"),
}
ARCHITECTURES = (*FAMILIES, PATCHES, BASELINE)
