"""The detector's loss: quality focal loss for scores, GIoU for boxes; written in keras.ops, so for any backend."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from training.face_network import STRIDES

BOX_WEIGHT = 2.0
SIZE_WEIGHT = 0.5
"""Of the log size's error: GIoU alone teaches small and large faces towards the middle size of their grid."""


QUALITY_POWER = 0.25
"""A face's score is to be the IoU that its box reaches, to this power. A low one keeps faces apart from what is none
even where boxes cannot fit well: small faces, half-hidden ones, and those whose labels come in several styles."""


class DetectorTrainer(keras.Model):  # type: ignore[misc]  # keras ships no types
    """Wraps the network with logits, since the loss needs scores and boxes of a cell together."""

    def __init__(self, network: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.network(x, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Mean over the batch's positive cells. The score's target is a power of the IoU that the box reaches, so that
        a face's score tells how well its box fits (Li et al. 2020, "Generalized Focal Loss")."""
        del x, sample_weight, training
        score_loss: Any = 0.0
        box_loss: Any = 0.0
        positives: Any = 0.0
        for stride in STRIDES:
            target, logit, box = y[f"target_{stride}"], y_pred[f"logit_{stride}"][..., 0], y_pred[f"box_{stride}"]
            positive, weight, truth = target[..., 0], target[..., 1], target[..., 2:]
            iou, giou = _overlap(_decode(box, stride), truth)
            quality = ops.stop_gradient(ops.power(ops.maximum(iou, 0.01), QUALITY_POWER)) * positive
            probability = ops.sigmoid(logit)
            entropy = ops.maximum(logit, 0.0) - logit * quality + ops.log1p(ops.exp(-ops.abs(logit)))
            score_loss += ops.sum(entropy * ops.square(ops.stop_gradient(quality) - probability) * weight)
            size_error = ops.abs(box[..., 2:] - _log_size(truth, stride))
            box_loss += ops.sum((1 - giou + SIZE_WEIGHT * ops.sum(size_error, axis=-1)) * positive)
            positives += ops.sum(positive)
        return (score_loss + BOX_WEIGHT * box_loss) / ops.maximum(positives, 1.0)


def _decode(box: Any, stride: int) -> Any:
    """Box map (batch, h, w, 4) to centre x, centre y, width, height in pixels."""
    rows = (ops.arange(ops.shape(box)[1], dtype="float32") + 0.5)[None, :, None]
    columns = (ops.arange(ops.shape(box)[2], dtype="float32") + 0.5)[None, None, :]
    cx = (columns + box[..., 0]) * stride
    cy = (rows + box[..., 1]) * stride
    # The clip bounds the gradient of a box gone astray: exp(5) strides is larger than any picture.
    size = ops.exp(ops.clip(box[..., 2:], -4.0, 5.0)) * stride
    return ops.stack([cx, cy, size[..., 0], size[..., 1]], axis=-1)


def _log_size(truth: Any, stride: int) -> Any:
    """What a box map should say of the sizes of `truth` (cx, cy, w, h in pixels); 0 where there is no face."""
    return ops.log(ops.where(truth[..., 2:] > 0, truth[..., 2:] / stride, 1.0))


def _overlap(a: Any, b: Any) -> tuple[Any, Any]:
    """IoU and generalized IoU (Rezatofighi et al. 2019) of boxes given as cx, cy, w, h."""
    a1, a2 = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2
    b1, b2 = b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    shared = ops.maximum(ops.minimum(a2, b2) - ops.maximum(a1, b1), 0.0)
    hull = ops.maximum(a2, b2) - ops.minimum(a1, b1)
    intersection = shared[..., 0] * shared[..., 1]
    union = a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - intersection
    enclosing = hull[..., 0] * hull[..., 1]
    iou = intersection / ops.maximum(union, 1e-6)
    return iou, iou - (enclosing - union) / ops.maximum(enclosing, 1e-6)
