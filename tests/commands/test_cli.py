"""The command line as a whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main
from edge.errors import MaskdError, UsageError
from tests.support.pictures import numbered, write_video
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end

CHECKOUT = ROOT


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["--help"])
    assert ending.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {command} " in shown for command in ("run", "detect", "demo", "config", "bench"))


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, edge.cli\n"
        "try: edge.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'cv2', 'numpy', 'pydantic', 'yaml', 'paho'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=CHECKOUT)
    assert result.stderr.strip() == "[]"


def test_edge_imports_without_tensorflow_and_picamera2() -> None:
    code = (
        "import sys\n"
        "absent = ('tensorflow', 'keras', 'picamera2', 'libcamera', 'gpiozero', 'skimage', 'amqtt')\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "import edge.cli, edge.commands.detect, edge.commands.bench, edge.vision.build, edge.daemon.parts"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=CHECKOUT)
    assert result.returncode == 0, result.stderr


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["--version"])
    assert ending.value.code == 0
    assert capsys.readouterr().out.startswith("maskd ")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["config"], ["detect"], ["bench", "--repeat", "0"]])
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 2
    assert "usage: maskd" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        (MaskdError("the broker is asleep"), 1, "maskd: the broker is asleep\n"),
        (UsageError("there is no such key"), 2, "maskd: there is no such key\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_a_sentence_and_a_status(
    error: BaseException,
    status: int,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**_: object) -> int:
        raise error

    monkeypatch.setattr("edge.commands.bench.run_bench", fail)
    assert main(["bench"]) == status
    assert capsys.readouterr().err == shown


def test_config_schema_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert "detector" in json.loads(capsys.readouterr().out)["properties"]
    (tmp_path / "config.yaml").write_text("device: lobby\n")
    assert main(["config", "show", "-c", str(tmp_path / "config.yaml")]) == 0
    assert "device: lobby" in capsys.readouterr().out
    assert main(["config", "show", "-c", str(tmp_path / "gone.yaml")]) == 2
    assert "gone.yaml" in capsys.readouterr().err


def test_bench(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--json", "--threads", "1", "--repeat", "3"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert list(measured["stages"]) == ["letterbox", "detect", "crop", "classify"]
    assert all(0 < stage["median_ms"] <= stage["p90_ms"] for stage in measured["stages"].values())
    assert measured["threads"] == 1
    assert main(["bench", "--repeat", "1"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-5:]] == [
        "letterbox",
        "detect",
        "crop",
        "classify",
        "sum",
    ]


def test_interrupting_a_long_detection_is_quiet(tmp_path: Path) -> None:
    write_video(tmp_path / "long.avi", [numbered(3)] * 2000)
    detecting = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "edge.cli",
            "detect",
            str(tmp_path / "long.avi"),
            "--json",
            "--out",
            str(tmp_path / "o"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    with killed_at_the_end(detecting) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"{")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, b"")
