"""The faster copy of a network answers and learns like the network itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="training needs the extra `train` of pyproject.toml")

from tests.support.tensorflow_tests import NEEDS_TENSORFLOW, Later

keras = Later("keras")
fused_normalization = Later("training.fused_normalization")

pytestmark = [*NEEDS_TENSORFLOW, pytest.mark.timeout(300)]


def nested_network() -> Any:
    """A frozen and a free normalization, the latter inside of another model, as backbones are."""
    layers = keras.layers
    inner_picture = layers.Input((None, None, 4))
    x = layers.Conv2D(5, 3, use_bias=False)(inner_picture)
    x = layers.ReLU(6.0)(layers.BatchNormalization(epsilon=1e-3, momentum=0.9, name="free")(x))
    inner = keras.Model(inner_picture, x, name="backbone")
    picture = layers.Input((None, None, 3))
    x = layers.BatchNormalization(name="frozen")(layers.Conv2D(4, 3)(picture))
    network = keras.Model(picture, inner(x))
    network.get_layer("frozen").trainable = False
    return network


def trained(network: Any) -> list[Any]:
    rng = np.random.default_rng(1)
    network.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    for _ in range(3):
        pictures = rng.normal(1, 2, (8, 16, 16, 3)).astype(np.float32)
        network.train_on_batch(pictures, np.zeros((8, 12, 12, 5), np.float32))
    return network.get_weights()  # type: ignore[no-any-return]


def test_the_copy_starts_as_the_network_and_learns_the_same() -> None:
    keras.utils.set_random_seed(1)
    network = nested_network()
    copy = fused_normalization.fused(network)
    pictures = np.random.default_rng(0).normal(1, 2, (2, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(copy(pictures), network(pictures), rtol=1e-4, atol=1e-5)
    kinds = {type(layer).__name__ for layer in [*copy.layers, *copy.get_layer("backbone").layers]}
    assert "_FusedBatchNormalization" in kinds
    assert "BatchNormalization" not in kinds

    before = network.get_weights()
    expected = trained(network)
    # The kernel's variance is that of a sample, larger by one part in the number of pixels.
    for fast, plain in zip(trained(copy), expected, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=2e-3, atol=2e-4)
    assert any(np.abs(new - old).max() > 0.01 for new, old in zip(expected, before, strict=True))


def test_what_was_learnt_goes_back_and_the_frozen_stays() -> None:
    network = nested_network()
    frozen = network.get_layer("frozen").get_weights()
    copy = fused_normalization.fused(network)
    network.set_weights(trained(copy))
    for now, before in zip(network.get_layer("frozen").get_weights(), frozen, strict=True):
        np.testing.assert_array_equal(now, before)
    assert np.abs(network.get_layer("backbone").get_layer("free").get_weights()[2]).max() > 0.01
