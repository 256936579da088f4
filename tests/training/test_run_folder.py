"""A run's folder: claimed before training, refused where it is another run's or its disk is full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.errors import MaskdError, UsageError
from tests.support.disks import small_disk
from tests.support.places import ROOT
from tests.support.tensorflow_tests import NEEDS_TENSORFLOW
from training.cli import main
from training.run_folder import refuse_used, require_space

pytestmark = NEEDS_TENSORFLOW


def write_faces(folder: Path, count: int) -> Path:
    random = np.random.default_rng(1)
    for label, colour in (("with_mask", (200, 90, 40)), ("without_mask", (60, 80, 210))):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            picture = np.clip(np.array(colour) + random.integers(-20, 20, (40, 40, 3)), 0, 255).astype(np.uint8)
            assert cv2.imwrite(str(folder / label / f"{number}.png"), picture)
    return folder


def complaint_of(status: int, data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that `maskd-train mask` ends with, which must be on stderr."""
    small = ["--whole-image", "--weights", "none", "--input-size", "32", "--epochs", "1", "--classes", "2"]
    assert main(["mask", "--data", str(data), "--out", str(out), *small]) == status
    said = capsys.readouterr()
    assert "next:" not in said.out
    (line,) = said.err.splitlines()
    assert line.startswith("maskd-train: ")
    return line


def test_the_model_of_another_run_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.keras").write_bytes(b"months of work")
    with pytest.raises(
        UsageError, match=r"holds the model\.keras of another run; .* --out, or replace it with --overwrite"
    ):
        refuse_used(tmp_path, resume=False, overwrite=False)
    refuse_used(tmp_path, resume=True, overwrite=False)
    refuse_used(tmp_path, resume=False, overwrite=True)
    refuse_used(tmp_path / "new", resume=False, overwrite=False)
    line = complaint_of(2, write_faces(tmp_path / "data", 1), tmp_path, capsys)
    assert "holds the model.keras of another run" in line
    assert (tmp_path / "model.keras").read_bytes() == b"months of work"


def test_a_few_photos_leave_none_to_test_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint_of(1, write_faces(tmp_path / "data", 2), tmp_path / "out", capsys)
    assert "of 4 photos no face is left to test on" in line


def test_a_disk_that_is_full_at_the_start_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_faces(tmp_path / "data", 20)
    with small_disk(tmp_path / "out", kilobytes=1000):
        line = complaint_of(1, data, tmp_path / "out", capsys)
    assert line.startswith("maskd-train: the disk of ")
    assert "is full: " in line


def test_a_checkpoint_on_a_full_disk_is_an_error_and_no_crash(tmp_path: Path) -> None:
    # In a process of its own, which HDF5 ended by a signal when it came to the end of the disk.
    program = (
        "import sys; from pathlib import Path; import keras\n"
        "from edge.errors import MaskdError; from training.checkpoint import Checkpoint\n"
        "from training.run_folder import save_model\n"
        "model = keras.Sequential([keras.layers.Input((1000,)), keras.layers.Dense(1000)])\n"
        "checkpoint = Checkpoint(Path(sys.argv[1])); checkpoint.set_model(model)\n"
        "for write in (checkpoint._save_model, lambda: save_model(model, Path(sys.argv[1]))):\n"
        "    try:\n        write(); sys.exit('it was written')\n"
        "    except MaskdError as error: print(error)\n"
    )
    with small_disk(tmp_path / "out", kilobytes=3000):
        command = [sys.executable, "-c", program, str(tmp_path / "out")]
        told = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False, cwd=ROOT)
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("is full: ") == 2


def test_the_space_is_asked_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(MaskdError, match=r"is full: .* MB are free, but at least 1000000000.0 MB are needed"):
        require_space(tmp_path, 10**15)


@pytest.mark.parametrize("command", ["training", "converter"])
def test_a_disk_that_fills_meanwhile_ends_a_command_in_one_sentence(command: str) -> None:
    program = (
        f"import errno, sys; from {command} import cli\n"
        "class Full:\n"
        "    def __getattr__(self, name): raise OSError(errno.ENOSPC, 'No space left on device', '/tmp/x')\n"
        "for name in ('training.review', 'converter.command'): sys.modules[name] = Full()\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    arguments: list[Any] = ["review", "--data", "x"] if command == "training" else ["m.keras", "--data", "x"]
    told = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "/tmp/x cannot be written: No space left on device; free some space" in told.stderr
    assert "Traceback" not in told.stderr
