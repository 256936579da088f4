"""What networks learn from besides labels: a teacher, views with trouble in them, and the features of a trained one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import MaskdError
from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.geometry import Box
from edge.vision.faces import Face
from edge.vision.overlap import boxes_to_array
from tests.support.tensorflow_tests import NEEDS_TENSORFLOW, Later
from training.cli import main
from training.face_teacher import UNNAMED, taught, without_repeats
from training.face_trouble import backlit, covered, dimmed

keras, face_network, mask_network = Later("keras"), Later("training.face_network"), Later("training.mask_network")
imitation, masks, patches = Later("training.imitation"), Later("training.masks"), Later("training.patch_backbone")

# Keras 3 has not followed numpy 2 everywhere.
pytestmark = [
    *NEEDS_TENSORFLOW,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword"),
    pytest.mark.timeout(300),
]

LABELLED, OTHER, FAINT = Box(0, 0, 40, 50), Box(100, 0, 130, 40), Box(200, 0, 230, 40)


def test_a_teacher_adds_what_no_label_covers() -> None:
    photo = LabelledPhoto(Path("a.png"), (LabelledFace(LABELLED, "with_mask"),), (Box(300, 0, 320, 20),), "crowds")
    found = [Face(Box(0, 10, 44, 60), 0.95), Face(OTHER, 0.9), Face(FAINT, 0.7)]
    result = taught(photo, found)
    assert result.faces == (LabelledFace(LABELLED, "with_mask"), LabelledFace(OTHER, UNNAMED))
    assert result.ignored == (Box(300, 0, 320, 20), FAINT), "neither a face nor background"
    assert taught(photo, []) == photo


def test_a_face_found_at_two_sizes_counts_once() -> None:
    assert without_repeats([Face(OTHER, 0.6), Face(FAINT, 0.7), Face(OTHER.moved(2, 2), 0.9)]) == [
        Face(OTHER.moved(2, 2), 0.9),
        Face(FAINT, 0.7),
    ]


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(60, 200, (128, 128, 3), dtype=np.uint8)


FACE = np.array([[40, 30, 80, 80]], np.float32)


def test_a_thing_covers_part_of_a_face(picture: np.ndarray) -> None:
    shares = []
    for seed in range(20):
        after = covered(picture, FACE, np.random.default_rng(seed))
        changed = (after != picture).any(axis=2)
        assert not changed[:15].any(), "far from the face nothing changes"
        shares.append(changed[30:80, 40:80].mean())
    assert 5 < np.count_nonzero(shares) < 15
    assert 0.1 < max(shares) < 0.8
    assert (covered(picture, boxes_to_array([]), np.random.default_rng(1)) == picture).all()


def test_light_from_behind_darkens_the_face_alone(picture: np.ndarray) -> None:
    after = backlit(picture, FACE, np.random.default_rng(1)).astype(float)
    before = picture.astype(float)
    assert after[40:70, 50:70].mean() < 0.75 * before[40:70, 50:70].mean()
    assert after[:20, 100:].mean() > before[:20, 100:].mean()


def test_too_little_light(picture: np.ndarray) -> None:
    assert dimmed(picture, np.random.default_rng(1)).mean() < 0.6 * picture.mean()


def test_a_classifier_of_patches_is_the_imitated_one_from_the_stem_on() -> None:
    teacher, theirs = mask_network.build_mask_classifier("mobilenet_v2", 3, input_size=96, alpha=0.35, weights=None)
    network, mine = mask_network.build_mask_classifier("patches", 3, input_size=96, alpha=0.35, weights=None)
    assert theirs is not None
    assert mine is not None
    patches.take_over(mine, theirs)
    patches.take_over(network, teacher)
    picture = np.random.default_rng(1).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
    feature = keras.Model(theirs.input, theirs.get_layer(patches.STEM_FEATURE).output)(picture)
    rest = keras.Model(mine.get_layer(patches.STEM_OUTPUT).output, mine.output)
    assert np.allclose(rest(feature), theirs(picture), atol=1e-5)
    assert all(
        np.array_equal(*pair)
        for pair in zip(
            network.get_layer("status").get_weights(), teacher.get_layer("status").get_weights(), strict=True
        )
    )


@pytest.mark.parametrize(
    ("command", "option"), [("face", "--backbone patches"), ("mask", "--arch patches")], ids=["face", "mask"]
)
def test_only_patches_imitate(command: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.keras").write_bytes(b"")
    imitate = ("--imitate", str(tmp_path / "model.keras"))
    assert main([command, "--data", str(tmp_path), "--out", str(tmp_path / "run"), *imitate]) == 2
    assert f"needs {option}" in capsys.readouterr().err


def test_a_kept_stem_of_a_classifier() -> None:
    model, backbone = mask_network.build_mask_classifier("mobilenet_v2", 3, input_size=96, alpha=0.35, weights=None)
    masks.freeze_stem(model)
    assert backbone is not None
    trainable = {layer.name for layer in backbone.layers if layer.trainable and layer.weights}
    assert {"block_6_depthwise", "block_7_expand", "Conv_1"} <= trainable
    assert not {"Conv1", "block_3_expand", "block_6_expand"} & trainable
    plain, _ = mask_network.build_mask_classifier("cnn", 3, input_size=32, alpha=1, weights=None)
    with pytest.raises(MaskdError, match="--keep-stem is for"):
        masks.freeze_stem(plain)


def test_only_a_trained_stem_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["face", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--keep-stem"]) == 2
    assert "--keep-stem needs --start-from" in capsys.readouterr().err


def test_a_stem_learns_the_features_of_another_backbone() -> None:
    keras.utils.set_random_seed(1)
    teacher = face_network.build_face_detector(None, None, alpha=0.35, weights=None)
    network = face_network.build_face_detector(None, None, alpha=0.35, weights=None, backbone="patches")
    patches.take_over(network, teacher)
    picture = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3)).astype(np.float32)
    features = keras.Model(teacher.input, teacher.get_layer(patches.STEM_FEATURE).output)
    stem = keras.Model(network.input, network.get_layer(patches.STEM_OUTPUT).output)
    maps = keras.Model(stem.output, network.output)(features(picture))
    expected = teacher(picture)
    for name, values in maps.items():
        assert np.array_equal(values, expected[name]), "from the stem on the two are the same"

    losses = imitation.imitate(stem, features, [picture] * 40, steps=40)
    assert len(losses) == 40
    assert losses[-1] < 0.8 * losses[0]
