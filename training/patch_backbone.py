"""A backbone at half the cost: a stem of 4x4 patches, then MobileNetV2 from its block 6 on (Sandler et al. 2018).

MobileNetV2's layers down to stride 8 expand to many channels at high resolution and so move memory instead of
multiplying; a patch stem and plain separable convolutions give the same feature in a fraction of the time. The layers
after it bear Keras' names and take the weights of a trained MobileNetV2 as they are.
"""

from __future__ import annotations

from typing import Any

from keras import layers

STEM_FEATURE = "block_6_expand_relu"
"""MobileNetV2's layer at which the two backbones meet, of stride 8."""
STEM_OUTPUT = "stem_8_3_relu"
"""The layer that has its place here."""
FIRST_AFTER_STEM = "block_6_depthwise"
"""The layer of both that follows, after Keras' padding."""


def take_over(network: Any, source: Any) -> None:
    """Gives each layer of `network` the weights of the layer of the same name and form in `source`, if any."""
    for layer in network.layers:
        theirs: list[Any] = next((other.get_weights() for other in source.layers if other.name == layer.name), [])
        if theirs and [each.shape for each in theirs] == [each.shape for each in layer.get_weights()]:
            layer.set_weights(theirs)


def patch_features(picture: Any, alpha: float) -> tuple[Any, Any, Any]:
    """The feature maps of strides 8, 16 and 32 of a picture of -1 to 1: the outputs of STEM_OUTPUT, of MobileNetV2's
    expansion in block 13, and of its last block."""
    x = layers.Conv2D(24, 4, strides=4, use_bias=False, name="patches")(picture)
    x = layers.ReLU(6.0, name="patches_relu")(layers.BatchNormalization(name="patches_bn")(x))
    x = _separable(x, 32, "stem_4")
    x = _separable(x, 64, "stem_8_1", stride=2)
    x = _separable(x, 64, "stem_8_2")
    x = _separable(x, 6 * _scaled(32, alpha), "stem_8_3")
    fine = x
    x = _projected(x, "block_6", _scaled(64, alpha), stride=2)
    for block, channels in ((7, 64), (8, 64), (9, 64), (10, 96), (11, 96), (12, 96)):
        x = _inverted_residual(x, f"block_{block}", _scaled(channels, alpha))
    middle = x = _expanded(x, "block_13")
    x = _projected(x, "block_13", _scaled(160, alpha), stride=2)
    for block, channels in ((14, 160), (15, 160), (16, 320)):
        x = _inverted_residual(x, f"block_{block}", _scaled(channels, alpha))
    return fine, middle, x


def _separable(x: Any, channels: int, name: str, *, stride: int = 1) -> Any:
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(name=f"{name}_depthwise_bn")(x)
    x = layers.Conv2D(channels, 1, use_bias=False, name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_bn")(x))


def _scaled(channels: int, alpha: float) -> int:
    """MobileNetV2's channels at a width of `alpha`: the nearest multiple of 8 that is not 10 % narrower."""
    scaled = max(8, int(channels * alpha + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * channels * alpha else scaled


def _inverted_residual(x: Any, name: str, channels: int) -> Any:
    y = _projected(_expanded(x, name), name, channels, stride=1)
    return layers.Add(name=f"{name}_add")([x, y]) if x.shape[-1] == channels else y


def _expanded(x: Any, name: str) -> Any:
    x = layers.Conv2D(6 * x.shape[-1], 1, use_bias=False, name=f"{name}_expand")(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name=f"{name}_expand_BN")(x)
    return layers.ReLU(6.0, name=f"{name}_expand_relu")(x)


def _projected(x: Any, name: str, channels: int, *, stride: int) -> Any:
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name=f"{name}_depthwise_BN")(x)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(x)
    return layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name=f"{name}_project_BN")(x)
