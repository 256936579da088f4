"""How many vision threads there are."""

from __future__ import annotations

from typing import Any

import pytest

from edge.config import Config
from edge.vision import cores


@pytest.mark.parametrize(
    ("cameras", "available", "runtime", "expected"),
    [
        (1, 4, {}, 1),
        (2, 4, {}, 2),
        (8, 2, {}, 2),
        (16, 32, {}, 4),
        (0, 4, {}, 1),
        (8, 4, {"delegate": "edgetpu"}, 1),
        (8, 4, {"workers": 3}, 3),
    ],
)
def test_cores_are_shared_out(
    monkeypatch: pytest.MonkeyPatch, cameras: int, available: int, runtime: dict[str, Any], expected: int
) -> None:
    monkeypatch.setattr("edge.vision.cores.available_cores", lambda: available)
    sources = {f"c{number}": {"source": "photos/"} for number in range(cameras)}
    config = Config.model_validate({"runtime": runtime, **({"cameras": sources} if sources else {})})
    assert cores.workers(config) == expected
