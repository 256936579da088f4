"""maskd-train visits: what events a detector leads to on photos that are shown as clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.config import Config
from edge.evaluation.labelled import LabelledFace, LabelledPhoto
from edge.geometry import Box
from edge.people.watched_camera import camera_rules
from edge.vision.build import build_vision
from tests.support.labelled_sets import portrait, portraits
from tests.support.pictures import write_photo
from training.cli import main
from training.evaluation.photo_clip import FPS, FRAMES, photo_clip
from training.evaluation.visits import PhotoVisits, visits_of

CONFIG = Config.model_validate({"cameras": {"clip": {"source": "demo"}}, "detector": {"motion_gate": False}})
PORTRAIT, FACE = portrait()


def test_a_thing_of_the_photo_stays_where_the_clip_says_it_is() -> None:
    photo = np.zeros((600, 1280, 3), np.uint8)
    square = Box(500, 200, 580, 260)
    photo[200:260, 500:580] = 250
    shown = list(photo_clip(photo, seed=3))
    assert [each.frame.captured_at for each in shown] == [number / FPS for number in range(FRAMES)]
    for each in shown:
        assert each.frame.image.shape == (300, 640, 3)
        rows, columns = np.nonzero(each.frame.image[..., 0] > 125)
        place = each.place(square)
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        np.testing.assert_allclose(seen, (place.x1, place.y1, place.x2, place.y2), atol=1.5)
    places = {round(each.place(square).x1 + each.place(square).y1) for each in shown}
    assert len(places) > 3


def visits_for(photo: LabelledPhoto, **scores: float) -> dict[str, PhotoVisits]:
    vision = build_vision(CONFIG)
    rules = {
        name: camera_rules(CONFIG, "clip", replace(vision.recommended, min_score=score))
        for name, score in scores.items()
    }
    return visits_of(photo, PORTRAIT, vision, rules, seed=1)


def test_a_person_is_a_visit_at_a_score_that_the_detector_reaches() -> None:
    person = LabelledPhoto(Path("1.png"), (LabelledFace(FACE, "without_mask"),))
    visits = visits_for(person, usual=0.5, unreachable=0.999)
    usual, unreachable = visits["usual"], visits["unreachable"]
    assert usual.faces == usual.found == usual.right == {"20–32 px": 0, "32–64 px": 0, "64 px and more": 1}
    assert usual.false == 0
    assert unreachable.faces == usual.faces
    assert not any(unreachable.found.values())


def test_what_no_label_knows_is_a_false_visit_unless_it_is_ignored() -> None:
    elsewhere = (LabelledFace(Box(250, 180, 300, 240), "with_mask"),)
    visits = visits_for(LabelledPhoto(Path("1.png"), elsewhere), usual=0.5)["usual"]
    assert (sum(visits.found.values()), visits.false) == (0, 1)
    assert visits_for(LabelledPhoto(Path("1.png"), elsewhere, (FACE,)), usual=0.5)["usual"].false == 0


def test_another_status_than_the_label_is_found_and_not_right() -> None:
    visits = visits_for(LabelledPhoto(Path("1.png"), (LabelledFace(FACE, "with_mask"),)), usual=0.5)["usual"]
    assert (sum(visits.found.values()), sum(visits.right.values()), visits.false) == (1, 0, 0)


def test_the_command_prints_a_table_for_each_detector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = portraits(tmp_path / "person_voc", 5)
    assert main(["visits", "--data", str(folder), "--detector", "face-detector", "--score", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert "face-detector/" in printed
    assert "found, 64 px and more" in printed
    assert "0 on 1 photos" in printed


def test_class_folders_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label in ("with_mask", "without_mask"):
        (tmp_path / label).mkdir()
        for number in range(5):
            write_photo(tmp_path / label / f"{number}.png", PORTRAIT)
    assert main(["visits", "--data", str(tmp_path), "--detector", "face-detector"]) == 1
    assert "class folders have no boxes" in capsys.readouterr().err
