"""`maskd replay`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main
from edge.demo_clip import CLIP
from tests.support.processes import killed_at_the_end
from tests.support.waiting import wait_until


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


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name a video file, or say --last TIME"),
        ([str(CLIP), "--last", "10m"], "name a video file, or say --last TIME"),
        (["--last", "ten minutes"], "give a time such as 90s or 10m"),
    ],
)
def test_either_a_video_or_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(["replay", *arguments, "-c", config_in(tmp_path)]) == 2
    assert says in capsys.readouterr().err


def test_without_a_daemon_the_last_minutes_cannot_be_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_in(tmp_path, f"cameras: {{door: {{source: demo}}}}\nstorage: {{path: {tmp_path}/s}}\n")
    assert main(["replay", "--last", "10m", "-c", config]) == 3
    assert "no maskd is running" in capsys.readouterr().err


def running(config: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "edge.cli", "run", "-c", config])


def test_the_last_minutes_of_a_running_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_in(
        tmp_path,
        f"cameras: {{door: {{source: {CLIP}, loop: true}}}}\nmqtt: {{enabled: false}}\n"
        f"storage: {{path: {tmp_path}/s}}\n",
    )

    def replayed(*arguments: str) -> tuple[int, str]:
        status = main(["replay", "--last", "10m", "-c", config, *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    with killed_at_the_end(running(config)):
        wait_until(lambda: "ended    with_mask" in replayed()[1], what="the first visit")
        status, told = replayed("--set", "compliance.min_votes=12")
        assert status == 0
        assert "* " in told
        assert "pictures" in told.splitlines()[-1]
        first = json.loads(replayed("--json")[1].splitlines()[0])
        assert first["today"]["status"] == "with_mask"
        assert first["today"]["time"].endswith("Z")
        assert replayed("--camera", "door")[0] == 0


def test_in_aggregate_nothing_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_in(
        tmp_path,
        f"privacy: aggregate\ncameras: {{door: {{source: {CLIP}, loop: true}}}}\nmqtt: {{enabled: false}}\n"
        f"storage: {{path: {tmp_path}/s}}\n",
    )

    def answer() -> str:
        main(["replay", "--last", "1m", "-c", config])
        return capsys.readouterr().err

    with killed_at_the_end(running(config)):
        wait_until(lambda: "no maskd is running" not in answer(), what="the start")
        assert "privacy is aggregate, so no observations are kept" in answer()


RULES = (
    "outputs: {webhook: {chat: {url: 'http://localhost/'}}}\n"
    "rules:\n"
    "  remind: {when: {compliant: false, dwell_s: 1}, do: [chat]}\n"
    "  full: {when: {people_over: 1}, do: [chat]}\n"
    "  never: {when: {cameras: [door], status: [unknown]}, do: [chat]}\n"
)


def test_when_rules_would_act_is_shown_for_both_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_in(tmp_path, "cameras: {door: {source: demo}}\n" + RULES)
    assert main(["replay", str(CLIP), "-c", config, "--set", "rules.remind.when.dwell_s=30"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("rule remind: acts 2 times (00:0") for line in lines)
    assert any(line.endswith("; changed: does not act") for line in lines)
    assert "rule never: does not act; changed: does not act" in lines
    assert main(["replay", str(CLIP), "-c", config, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rules = {row["rule"]: row for row in rows if "rule" in row}
    assert len(rules["full"]["today"]) == 2
    assert rules["full"]["today"] == rules["full"]["changed"]
