"""The comparison of detectors, on the shipped models, and the soak, for seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from benchmarks import delivery
from benchmarks.cameras import shares
from benchmarks.detectors import main
from benchmarks.memory import Mapping, package_of, read_mappings
from benchmarks.outbox import main as time_outbox
from benchmarks.outputs import as_table, measure
from benchmarks.peers import main as time_peers
from benchmarks.processes import usage
from benchmarks.scale import main as time_scale
from benchmarks.soak import soak
from benchmarks.soak_report import growth, report
from benchmarks.stages import STAGES
from benchmarks.stages import main as time_stages
from benchmarks.start import main as time_start
from tests.support.pictures import write_photo
from training.evaluation.latency import Timing, latency_table


def test_every_model_has_a_row_and_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photos" / "inner").mkdir(parents=True)
    write_photo(tmp_path / "photos" / "inner" / "astronaut.png", skimage.data.astronaut())
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no photo")
    (tmp_path / "weights").mkdir()

    assert main(["--data", str(tmp_path / "photos"), "--weights", str(tmp_path / "weights"), "--repeat", "2"]) == 0

    printed = capsys.readouterr()
    assert "skipped: the photo" in printed.err
    assert "1 photo(s), each 2 times" in printed.out
    rows = [line.split() for line in printed.out.splitlines()]
    (detector,) = [row for row in rows if row and row[0].startswith("face-detector/")]
    (classifier,) = [row for row in rows if row and row[0].startswith("mask-classifier/")]
    assert float(detector[2]) > 0
    assert (detector[1], *detector[3:]) == ("photo", "1.00", "1")
    assert float(classifier[2]) > 0
    assert (classifier[1], classifier[4]) == ("face", "1")
    left_out = [line for line in printed.out.splitlines() if line.startswith("left out: ")]
    assert ["yunet" in left_out[0], "opencv_face_detector" in left_out[1]] == [True, True]


def test_ratios_are_to_the_reference() -> None:
    table = latency_table([Timing("a", "photo", [2.0, 9.0, 4.0], 3), Timing("b", "photo", [2.0, 2.0], 1)], "b")
    assert [list(row) for row in table.rows] == [
        ["a", "photo", "4.00", "2.00", "3"],
        ["b", "photo", "2.00", "1.00", "1"],
    ]


@pytest.mark.parametrize("folder", ["gone", "."])
def test_a_folder_without_photos(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path / folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("holds no photo that can be read; give another folder with --data")


def test_peers_without_their_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert time_peers(["--repeat", "1", "--out", str(tmp_path), "--weights", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    (row,) = [line for line in printed.splitlines() if line.startswith("| maskd |")]
    assert [cell.partition("(")[2] for cell in row.split("|")[2:-1]] == ["0) ", "1) ", "4) ", "16) "], "faces found"
    assert "left out: AIZOO: there is no file aizoo*.tflite in" in printed
    found = json.loads((tmp_path / "peers.json").read_text())
    assert found["faces"]["4"]["maskd"]["faces"] == 4
    assert (tmp_path / "peers.png").read_bytes().startswith(b"\x89PNG")


SMAPS = """\
7f00-7f10 r-xp 00000000 08:01 42                         /opt/lib/site-packages/av.libs/libavcodec.so.62
Rss:                  12 kB
Anonymous:             4 kB
THPeligible:    0
7f10-7f20 rw-p 00000000 00:00 0
Rss:                   8 kB
Anonymous:             8 kB
"""


def test_memory_is_read_by_mapping() -> None:
    library, heap = read_mappings(SMAPS)
    assert (library.resident, library.written, package_of(library.name)) == (12 * 1024, 4 * 1024, "PyAV")
    assert heap == Mapping("", 8 * 1024, 8 * 1024)
    own = read_mappings(Path("/proc/self/smaps").read_text())
    assert sum(each.resident for each in own) == pytest.approx(usage().rss_mb * 1e6, rel=0.1)


def test_each_stage_of_a_picture_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert time_stages(["--rounds", "1", "--pictures", "8", "--json", str(tmp_path / "stages.json")]) == 0
    rows = [line.split(" | ")[0].strip("| ") for line in capsys.readouterr().out.splitlines()[4:] if line]
    assert rows == list(STAGES)
    found = json.loads((tmp_path / "stages.json").read_text())["stages_ms"]
    assert list(found) == ["640x480", "1280x720", "1920x1080"]
    assert all(0 < of["median"] <= of["p95"] <= of["p99"] for stages in found.values() for of in stages.values())


def test_a_soak_sees_every_event_arrive(mosquitto_folder: Path) -> None:
    out = mosquitto_folder.parent / "soak"
    out.mkdir()
    soak(out, 2.0, 100)
    table = report(out)
    assert "| events | 200 in 0.0333 min, 100 a second |" in table
    assert "| events that did not arrive | 0 |" in table
    assert (out / "soak.png").read_bytes().startswith(b"\x89PNG")


def test_growth_is_what_memory_gains_in_an_hour_once_it_is_warm() -> None:
    seconds = np.arange(0.0, 3601.0, 10.0)
    memory = np.where(seconds < 300, 50.0, 80.0) + 2.5 * seconds / 3600
    assert list(growth(seconds, memory)) == pytest.approx([2.5, 80.0])


def test_the_outbox_is_timed_with_more_and_more_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert time_outbox(["--folder", str(tmp_path), "--events", "40"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:]]
    assert [(row[0], row[1], row[5]) for row in rows] == [
        ("commit", "1", "2.00"),
        ("commit", "5", "0.40"),
        ("commit", "20", "0.10"),
        ("delete", "1", "1.00"),
        ("delete", "5", "0.20"),
        ("delete", "20", "0.05"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_the_way_to_a_line_is_timed_in_two_stages(tmp_path: Path) -> None:
    delays = measure(tmp_path, 5)
    assert len(delays) == 5
    assert all(0 < delay.committed < delay.switched for delay in delays)
    (header, disk, line, whole) = as_table(delays).splitlines()
    assert header.split() == ["milliseconds", "p50", "p99", "most"]
    assert [row.rpartition("  ")[0].startswith(name) for row, name in ((disk, "started"), (line, "on the"))] == [
        True
    ] * 2
    assert float(whole.split()[-1]) >= float(line.split()[-1])


def test_the_way_to_the_broker_is_timed_in_two_stages(mosquitto_folder: Path) -> None:
    delays = delivery.measure(mosquitto_folder.parent, 5)
    assert len(delays) == 5
    assert all(0 < delay.committed < delay.acknowledged for delay in delays)
    rows = delivery.table(delays).splitlines()
    assert [row.count("|") for row in rows] == [6] * 5
    assert f"{1000 * max(delay.acknowledged for delay in delays):.1f}" in rows[-1]


def test_pictures_of_many_people_are_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert time_scale(["--seconds", "1"]) == 0
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()[4:]]
    assert [int(row[0]) for row in rows] == [0, 1, 4, 16, 36]
    assert [int(row[1]) for row in rows[:4]] == [0, 1, 4, 16]
    assert all(float(value) > 0 for row in rows for cell in row[2:] for value in cell.split(" / "))


def test_a_start_is_timed_to_the_first_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert time_start(["--repeat", "1"]) == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[4:]]
    assert [row[0] for row in rows] == ["| seconds", "| processor seconds"]
    assert all(0 < float(row[1]) < 60 for row in rows)


def test_ages_are_shares_of_all_pictures() -> None:
    assert shares({"0.05": 50, "0.1": 150, "0.15": 190, "0.25": 200, "+Inf": 200}) == "25.0 / 95.0 / 100.0"
