"""What a hot board does to the rate of pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge.camera.frame import Frame
from edge.camera.latest import LatestFrame
from edge.config import Config
from edge.people.cooling import Cooling
from edge.people.watched_camera import WatchedCamera, camera_rules
from edge.people.watcher import Watcher
from edge.vision.pipeline import Vision
from edge.vision.thresholds import Recommendations
from tests.people.test_watcher import OneFace


def test_it_begins_hot_and_ends_well_below() -> None:
    cooling = Cooling()
    states = [cooling.update(each) for each in (60, 84.9, 85, 82, 80, 79.9, 84, None, 90, None)]
    assert states == [False, False, True, True, True, False, False, False, True, False]


class Board:
    def __init__(self, **runtime: Any) -> None:
        self.temperature: float | None = 50.0
        config = Config.model_validate({"cameras": {"door": {"source": "0"}}, "runtime": runtime})
        models: Any = OneFace()
        self.vision = Vision(models, models)
        rules = camera_rules(config, "door", Recommendations(0.5, 0.5))
        self.camera = WatchedCamera("door", LatestFrame(), rules)
        self.watcher = Watcher(
            [self.vision], on_round=lambda _: None, on_end=lambda _: None, temperature=lambda: self.temperature
        )
        self.watcher.apply(config)
        self.watcher.watch([self.camera], endless=True)
        self.now = 100.0

    def looked_at(self, fps: float, seconds: float = 10.0) -> int:
        """Pictures that come at this rate for so long."""
        count = 0
        for _ in range(round(seconds * fps)):
            self.now += 1 / fps
            self.watcher.tick(self.now)
            self.camera.latest.put(Frame(np.zeros((100, 100, 3), np.uint8), self.now, 0))
            count += self.camera.watch(self.vision).frame is not None
        return count


@pytest.mark.parametrize(("fps", "expected"), [(15, 50), (5, 50), (2, 20)])
def test_a_hot_board_looks_at_fewer_pictures_until_it_is_cool(fps: float, expected: int) -> None:
    board = Board()
    assert board.looked_at(fps) == 10 * fps
    assert board.watcher.status().problems == ()
    board.temperature = 86
    board.looked_at(fps, 6)
    assert board.looked_at(fps) == pytest.approx(expected, abs=1)
    (told,) = board.watcher.status().problems
    assert told.startswith("vision looks at 5 pictures a second of each camera until the processor has cooled down")
    board.temperature = 75
    board.looked_at(fps, 6)
    assert board.looked_at(fps) == 10 * fps
    assert board.watcher.status().problems == ()


def test_it_can_be_switched_off() -> None:
    board = Board(hot_fps=None)
    board.temperature = 90
    assert board.looked_at(15) == 150
    assert board.watcher.status().problems == ()
