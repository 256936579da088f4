"""`maskd replay`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.demo_clip import CLIP


def config_in(folder: Path, text: str = "cameras: {door: {source: demo}}\n") -> str:
    path = folder / "config.yaml"
    path.write_text(text)
    return str(path)


def test_changed_settings_are_shown_next_to_todays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_in(tmp_path)
    assert main(["replay", str(CLIP), "-c", config, "--set", "compliance.min_votes=20", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    both = [(row["today"], row["changed"]) for row in rows if row["today"] and row["changed"]]
    late = [(today["at_s"], changed["at_s"]) for today, changed in both if today["type"] == "started"]
    assert len(late) == 3
    assert all(changed > today + 1 for today, changed in late)
    assert {row["today"]["person"] for row in rows if row["today"]} == {1, 2, 3}


def test_a_table_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(CLIP), "-c", config_in(tmp_path), "--set", "tracking.min_hits=4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["today", "changed"]
    assert "person 1   started  with_mask" in lines[1]
    assert lines[-1] == "the same events"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "detector.model=x"], "give NAME=VALUE with a setting that holds after the detector"),
        (["--set", "compliance.min_votes"], "give NAME=VALUE"),
        (["--set", "compliance.min_vote=3"], "there is no setting compliance.min_vote"),
        (["--set", "compliance.min_votes=-3"], "must be a whole number at least 1"),
        (["--set", "cameras.door.source=0"], "camera door would be opened differently"),
        (["--camera", "gate"], "the configuration has no such camera, only: door"),
    ],
)
def test_what_cannot_be_replayed_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(["replay", str(CLIP), "-c", config_in(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_of_several_cameras_one_has_to_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_in(tmp_path, "cameras: {door: {source: demo}, gate: {source: '0'}}\n")
    assert main(["replay", str(CLIP), "-c", config]) == 2
    assert "say with --camera whose settings hold: door, gate" in capsys.readouterr().err


def test_a_video_that_is_missing_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path / "none.mp4"), "-c", config_in(tmp_path)]) == 1
    assert "none.mp4 is missing" in capsys.readouterr().err
