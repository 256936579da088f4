"""`maskd check` on real network cameras: good ones, and ones that show nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.checks.cameras import Look, judge_look
from edge.checks.row import Row
from tests.support.check_config import rows_of, write_config
from tests.support.mjpeg_server import MjpegServer, two_halves
from tests.support.mosquitto import free_port


def jpeg(brightness: int, noise: int) -> bytes:
    """64 x 48 pixels."""
    picture = np.random.default_rng(brightness).integers(0, noise + 1, (48, 64, 3)) + brightness
    return cv2.imencode(".jpg", picture.astype(np.uint8))[1].tobytes()


def row_of(folder: Path, pictures: list[bytes], fps: float = 20.0) -> Row:
    with MjpegServer(fps=fps, pictures=pictures) as server:
        return rows_of(write_config(folder, cameras={"door": {"source": server.url}}))["camera door"]


def test_size_and_rate_are_measured(tmp_path: Path) -> None:
    row = row_of(tmp_path, [jpeg(brightness, 30) for brightness in range(60, 160, 10)])
    assert (row.result, row.problem) == ("ok", None)
    assert (row.figures["width"], row.figures["height"]) == (64, 48)
    rate = row.figures["per_second"]
    assert isinstance(rate, float)
    assert 8 < rate < 25
    assert f"64 x 48 pixels at {rate:.1f} per second" in row.detail


def test_a_frozen_picture_is_warned_of(tmp_path: Path) -> None:
    row = row_of(tmp_path, [two_halves()])
    assert row.result == "warn"
    assert (row.problem or "").startswith("the picture is frozen")


def test_a_black_picture_is_warned_of(tmp_path: Path) -> None:
    row = row_of(tmp_path, [jpeg(brightness, 3) for brightness in (0, 1, 2)])
    assert row.result == "warn"
    assert (row.problem or "").startswith("the picture is black; remove the lens cap")


def test_a_dead_camera_fails(tmp_path: Path) -> None:
    source = f"http://127.0.0.1:{free_port()}/video"
    row = rows_of(write_config(tmp_path, cameras={"door": {"source": source}}))["camera door"]
    assert row.result == "FAIL"
    assert "refuses the connection; check the port" in (row.problem or "")


@pytest.mark.parametrize(
    ("look", "asked_fps", "problem"),
    [
        (Look(64, 48, 100, 20, 14.9), 15, None),
        (Look(64, 48, 100, 20, 8.0), 15, None),
        (Look(64, 48, 100, 20, 7.0), 15, "it gives 7.0 pictures per second of the 15 requested"),
        (Look(64, 48, 100, 20, 7.0), None, None),
        (Look(64, 48, 100, 20, 0.5), None, "it gives 0.5 pictures per second, too few"),
        (Look(64, 48, 100, 20, None), 15, None),
        (Look(64, 48, 4, 3), None, "the picture is black"),
        (Look(64, 48, 100, 0.2), None, "the picture has only one colour"),
        (Look(64, 48, 100, 20, 15, is_frozen=True), 15, "the picture is frozen"),
    ],
)
def test_judging(look: Look, asked_fps: float | None, problem: str | None) -> None:
    row = judge_look("camera door", "/dev/video0", look, asked_fps)
    assert row.result == ("ok" if problem is None else "warn")
    assert (row.problem or "").startswith(problem or "")
