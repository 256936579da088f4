"""A few hundred examples of each kind of hostile input; `make fuzz` feeds thousands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.__main__ import run
from tests.fuzz.targets import TARGETS, Target
from tests.fuzz.under_hypothesis import fuzz

EXAMPLES = {
    "config": 200,
    "edit": 100,
    "command": 200,
    "photo": 300,
    "video": 40,
    "model": 60,
    "manifest": 150,
    "voc": 200,
    "yolo": 200,
    "coco": 200,
    "classes": 100,
}
UNTOUCHED = 0.01
"""Share of the examples that must be taken: where all are refused at the door, nothing behind it is tried."""


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_is_refused_in_words(name: str, tmp_path: Path) -> None:
    counts = fuzz(TARGETS[name], tmp_path, EXAMPLES[name])
    assert counts["refused"] > 0
    assert counts["taken"] > UNTOUCHED * counts.total()


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_not_damaged_is_taken(name: str, tmp_path: Path) -> None:
    for seed in TARGETS[name].seeds(tmp_path):
        assert TARGETS[name].feed(seed, tmp_path), seed[:100]


def test_a_defect_is_found_and_made_small(tmp_path: Path) -> None:
    def feed(data: bytes, _folder: Path) -> bool:
        if b"\xff\xff" in data:
            raise IndexError(data)
        return False

    with pytest.raises(IndexError) as caught:
        fuzz(Target("broken", feed, lambda _: [bytes(20)], TARGETS["photo"].edits), tmp_path, 500)
    assert len(caught.value.args[0]) <= 24


def test_the_long_run_counts_and_reports() -> None:
    outcome = run("manifest", "hypothesis", 20)
    assert outcome.finding is None
    assert outcome.counts["taken"] + outcome.counts["refused"] == 20
    assert run("no such target", "hypothesis", 20).finding is not None
