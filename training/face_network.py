"""The face detector's networks: a backbone with a small feature pyramid, anchor-free, in int8-friendly operators only.

The backbone is Keras' MobileNetV2, or `patch_backbone`, which shares its layers from stride 8 on.

One score and one box per cell of three grids. A box is (dx, dy, log w, log h): its centre's offset from the cell's
centre and its size, in units of the stride. Offsets, rather than distances to the four edges, let the nearest cell
represent a face so small that no cell's centre lies inside it.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from training.patch_backbone import STEM_FEATURE, patch_features, take_over
from training.weights import build_backbone

STRIDES = (8, 16, 32)
_FEATURES = (STEM_FEATURE, "block_13_expand_relu", "block_16_project_BN")
_CHANNELS = 64
# A start at one face in a hundred cells keeps the first steps from being all background (Lin et al. 2017).
_PRIOR_BIAS = -4.6


def build_face_detector(
    height: int | None, width: int | None, *, alpha: float, weights: str | None, backbone: str = "mobilenet_v2"
) -> Any:
    """A Keras model: uint8-range RGB of shape (height, width, 3) in; `score_<stride>` and `box_<stride>` maps out.

    The height and width are multiples of 32, or None for any. `weights` is "imagenet", a file of MobileNetV2 weights
    without its top, or None; the backbone `patches` takes those of the layers that it shares. The score
    outputs are probabilities; the layers `logit_<stride>` come before the sigmoid.
    Raises MaskdError for weights that cannot be had or do not fit.
    """
    picture = layers.Input((height, width, 3), name="image")
    normalised = layers.Rescaling(1 / 127.5, -1, name="normalise")(picture)
    fine, middle, coarse = (
        _convolution(feature, kernel=1, name=f"lateral_{stride}")
        for feature, stride in zip(_features(normalised, backbone, alpha, weights), STRIDES, strict=True)
    )
    middle = layers.Add(name="merge_16")([middle, _doubled(coarse)])
    fine = layers.Add(name="merge_8")([fine, _doubled(middle)])
    outputs: dict[str, Any] = {}
    for stride, level in zip(STRIDES, (fine, middle, coarse), strict=True):
        # The wider first kernel shows a cell its face's surroundings: hair and shoulders tell a face of ten pixels.
        level = _separable(level, kernel=5, name=f"head_{stride}_1")
        level = _separable(level, kernel=3, name=f"head_{stride}_2")
        logit = layers.Conv2D(1, 1, bias_initializer=keras.initializers.Constant(_PRIOR_BIAS), name=f"logit_{stride}")(
            level
        )
        outputs[f"score_{stride}"] = layers.Activation("sigmoid", name=f"score_{stride}")(logit)
        outputs[f"box_{stride}"] = layers.Conv2D(4, 1, name=f"box_{stride}")(level)
    return keras.Model(picture, outputs, name="face_detector")


def with_logits(detector: Any) -> Any:
    """The same layers, with `logit_<stride>` in place of `score_<stride>`: what the loss needs."""
    names = [f"{kind}_{stride}" for stride in STRIDES for kind in ("logit", "box")]
    return keras.Model(detector.input, {name: detector.get_layer(name).output for name in names})


def _features(picture: Any, backbone: str, alpha: float, weights: str | None) -> tuple[Any, Any, Any]:
    """What the pyramid is built on: the feature maps of strides 8, 16 and 32."""
    if backbone == "mobilenet_v2":
        base = build_backbone("MobileNetV2", weights, input_tensor=picture, alpha=alpha)
        fine, middle, coarse = (base.get_layer(name).output for name in _FEATURES)
        return fine, middle, coarse
    features = patch_features(picture, alpha)
    if weights is not None:
        base = build_backbone("MobileNetV2", weights, input_shape=(None, None, 3), alpha=alpha)
        take_over(keras.Model(picture, features), base)
    return features


def _convolution(x: Any, *, kernel: int, name: str) -> Any:
    x = layers.Conv2D(_CHANNELS, kernel, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _separable(x: Any, *, kernel: int, name: str) -> Any:
    x = layers.DepthwiseConv2D(kernel, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = layers.BatchNormalization(name=f"{name}_depthwise_bn")(x)
    return _convolution(x, kernel=1, name=name)


def _doubled(x: Any) -> Any:
    """Nearest up-sampling, written so that the int8 graph holds no fixed size and can be resized on the device."""
    return keras.ops.depth_to_space(keras.ops.concatenate([x, x, x, x], axis=-1), 2)
