"""`maskd detect`, the real command on real files."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data

import edge.selftest
from edge.cli import main
from edge.demo_clip import CLIP
from edge.geometry import Box
from edge.vision.preprocess import Image
from tests.support.http_camera import HttpCamera, picture
from tests.support.pictures import write_photo, write_video
from tests.support.places import ROOT
from tests.support.processes import killed_at_the_end

ASTRONAUT: Image = skimage.data.astronaut()
ASTRONAUT_FACE = Box(180, 62, 274, 178)
CHECKOUT = ROOT


PHOTO = Path(edge.selftest.__file__).with_name("photo.jpg")


@dataclass(frozen=True, slots=True)
class Ran:
    stdout: str
    stderr: str


def maskd(*arguments: str | Path, cwd: Path, check: int = 0) -> Ran:
    """Runs the command in `cwd`, in this process; `check` is the exit status that it must end with."""
    before = Path.cwd()
    with contextlib.redirect_stdout(io.StringIO()) as stdout, contextlib.redirect_stderr(io.StringIO()) as stderr:
        os.chdir(cwd)
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            os.chdir(before)
    assert status == check, stderr.getvalue()
    return Ran(stdout.getvalue(), stderr.getvalue())


def records(result: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """a.jpg and b.png: one face each; empty.jpg: a photo of nothing; below/a.jpg: a smaller portrait."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    write_photo(folder / "a.jpg", ASTRONAUT)
    write_photo(folder / "b.png", ASTRONAUT[:, ::-1])
    write_photo(folder / "nothing.jpg", np.full((300, 400, 3), 128, np.uint8))
    write_photo(folder / "below" / "a.jpg", ASTRONAUT[:260, 60:400])
    (folder / "notes.txt").write_text("no photo")
    (folder / ".hidden.jpg").write_text("no photo either")
    return folder


def test_json_of_one_photo(photos: Path) -> None:
    result = maskd("detect", "photos/a.jpg", "--json", cwd=photos.parent)
    (record,) = records(result)
    assert list(record) == ["source", "frame", "width", "height", "faces", "elapsed_ms"]
    assert (record["source"], record["frame"], record["width"], record["height"]) == ("photos/a.jpg", 0, 512, 512)
    assert list(record["elapsed_ms"]) == ["detect", "classify"]
    assert min(record["elapsed_ms"].values()) > 0
    (face,) = record["faces"]
    assert list(face) == ["box", "score", "status", "confidence", "probabilities"]
    assert Box(*face["box"]).iou(ASTRONAUT_FACE) > 0.5
    assert face["status"] == "without_mask"
    assert face["confidence"] == max(face["probabilities"].values()) == face["probabilities"]["without_mask"]
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=0.001)
    assert result.stderr == ""


def test_folder_glob_and_repeats(photos: Path) -> None:
    everything = ["photos/a.jpg", "photos/b.png", "photos/nothing.jpg", "photos/below/a.jpg"]
    found = records(maskd("detect", "photos", "--json", cwd=photos.parent))
    assert [record["source"] for record in found] == everything
    assert [len(record["faces"]) for record in found] == [1, 1, 0, 1]

    found = records(maskd("detect", "photos/*.jpg", "photos/*/a.jpg", "photos/a.jpg", "--json", cwd=photos.parent))
    assert [record["source"] for record in found] == [
        "photos/a.jpg",
        "photos/nothing.jpg",
        "photos/below/a.jpg",
        "photos/a.jpg",
    ]
    found = records(maskd("detect", f"{photos}/**", "--json", cwd=photos.parent, check=1))
    seen = [record["source"] for record in found if "error" not in record]
    assert sorted(seen) == sorted(f"{photos.parent}/{name}" for name in everything)


def test_what_cannot_be_read_is_reported_and_the_rest_goes_on(photos: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes((photos / "a.jpg").read_bytes()[:3000])
    (tmp_path / "void").mkdir()
    arguments = ["photos/broken.jpg", "photos/c*.jpg", "gone.jpg", "void", "photos/notes.txt", "photos/a.jpg"]
    result = maskd("detect", *arguments, "--json", cwd=tmp_path, check=1)
    *failed, seen = records(result)
    assert [record["source"] for record in failed] == arguments[:-1]
    assert all(list(record) == ["source", "error"] for record in failed)
    errors = [record["error"] for record in failed]
    assert "broken.jpg is truncated" in errors[0]
    assert errors[1] == "no file matches photos/c*.jpg; check the pattern"
    assert errors[2] == "there is no file or folder gone.jpg; check the path"
    assert errors[3] == "the folder void holds no photos or videos; check the path"
    assert "photos/notes.txt" in errors[4]
    assert len(seen["faces"]) == 1

    result = maskd("detect", *arguments, cwd=tmp_path, check=1)
    assert len(result.stdout.splitlines()) == 2
    assert len(result.stderr.splitlines()) == 5
    assert all(line.startswith("maskd: ") for line in result.stderr.splitlines())


def test_text_for_people(photos: Path) -> None:
    lines = maskd("detect", "photos/a.jpg", "photos/nothing.jpg", cwd=photos.parent).stdout.splitlines()
    assert lines[0].startswith("photos/a.jpg: 1 face: without_mask ")
    assert lines[1].startswith("photos/nothing.jpg: 0 faces (")
    assert lines[2] == "2 pictures, 1 face (1 without_mask)"


def test_video_gives_a_record_per_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [ASTRONAUT[:400, 50:450]] * 3, fps=5)
    found = records(maskd("detect", "clip.mp4", "--json", "--out", "out", cwd=tmp_path))
    assert [(record["source"], record["frame"]) for record in found] == [("clip.mp4", n) for n in range(3)]
    assert [len(record["faces"]) for record in found] == [1, 1, 1]
    capture = cv2.VideoCapture(str(tmp_path / "out" / "clip.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(5)
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    read, frame = capture.read()
    capture.release()
    assert read
    assert frame.shape == (400, 400, 3)


def test_an_address_of_a_single_picture_is_judged_once(photos: Path) -> None:
    jpeg = (photos / "a.jpg").read_bytes()
    with HttpCamera(lambda request: picture(request, jpeg)) as server:
        (record,) = records(maskd("detect", server.url, "--json", cwd=photos.parent))
    assert (record["source"], len(record["faces"])) == (server.url, 1)


def test_min_score_and_threads_override(photos: Path) -> None:
    (record,) = records(maskd("detect", "photos/a.jpg", "--json", "--min-score", "1", cwd=photos.parent))
    assert record["faces"] == []
    (record,) = records(
        maskd("detect", "photos/a.jpg", "--json", "--min-score", "0.01", "--threads", "1", cwd=photos.parent)
    )
    assert record["faces"]
    assert all(face["score"] >= 0.01 for face in record["faces"])


@pytest.mark.parametrize("arguments", [("--min-score", "1.5"), ("--min-score", "nan"), ("--threads", "0"), ()])
def test_wrong_arguments(arguments: tuple[str, ...], tmp_path: Path) -> None:
    sources = ("a.jpg",) if arguments else ()
    assert "usage: maskd detect" in maskd("detect", *sources, *arguments, cwd=tmp_path, check=2).stderr


def test_small_faces_count_unless_the_configuration_says_otherwise(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.png", ASTRONAUT)
    (tmp_path / "strict.yaml").write_text("detector: {min_face_px: 400}\n")
    (tmp_path / "other.yaml").write_text("detector: {min_score: 0.2}\n")
    assert records(maskd("detect", "a.png", "--json", "-c", "strict.yaml", cwd=tmp_path))[0]["faces"] == []
    assert records(maskd("detect", "a.png", "--json", "-c", "other.yaml", cwd=tmp_path))[0]["faces"]


def test_bad_configuration_or_model(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("detector: {model: nosuch}\n")
    result = maskd("detect", "a.png", "-c", "a.yaml", cwd=tmp_path, check=1)
    assert result.stderr.startswith("maskd: there is no shipped model 'nosuch'; shipped: ")
    (tmp_path / "b.yaml").write_text("detector: {modle: nosuch}\n")
    assert "modle" in maskd("detect", "a.png", "-c", "b.yaml", cwd=tmp_path, check=2).stderr


def test_drawings(photos: Path, tmp_path: Path) -> None:
    result = maskd("detect", "photos", photos / "below" / "a.jpg", "--out", "out/new", cwd=tmp_path)
    drawn = {str(path.relative_to(tmp_path / "out/new")) for path in (tmp_path / "out/new").rglob("*.*")}
    assert drawn == {"a.jpg", "b.png", "nothing.jpg", "below/a.jpg", "a-2.jpg"}
    assert "-> out/new/a-2.jpg" in result.stdout
    first = cv2.imread(str(tmp_path / "out/new/b.png"))
    assert first is not None
    changed = np.abs(first.astype(int) - ASTRONAUT[:, ::-1, ::-1]).max(axis=2) > 60
    face = ASTRONAUT_FACE
    assert changed.any(), "a box and a label"
    assert not changed[:, : 512 - 400].any(), "nothing far from the face"
    inside = changed[int(face.y1) + 25 : int(face.y2) - 25, 512 - int(face.x2) + 25 : 512 - int(face.x1) - 25]
    assert not inside.any(), "the face itself stays visible"
    blue, green, red = first[changed].reshape(-1, 3).astype(int).mean(axis=0)
    assert red > green + 50, "a bare face is boxed in red"
    assert red > blue + 50


def test_drawings_never_overwrite_a_source(photos: Path) -> None:
    before = (photos / "a.jpg").read_bytes()
    maskd("detect", "photos/a.jpg", "--out", "photos", cwd=photos.parent)
    assert (photos / "a.jpg").read_bytes() == before
    assert (photos / "a-2.jpg").is_file()


def test_out_that_cannot_be_written(photos: Path) -> None:
    result = maskd("detect", "photos/a.jpg", "--out", "photos/notes.txt", cwd=photos.parent, check=1)
    assert result.stderr.startswith("maskd: nothing can be written to the folder photos/notes.txt (--out)")
    assert result.stdout == ""


def test_heic_is_refused_in_one_sentence(photos: Path) -> None:
    (photos / "IMG_0001.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(5000))
    result = maskd("detect", "photos/IMG_0001.HEIC", cwd=photos.parent, check=1)
    assert "is HEIC, which is not supported; convert it to JPEG" in result.stderr


def test_a_reader_that_leaves_early_is_no_error(photos: Path) -> None:
    # 50 times more lines than a pipe's buffer would need to hide the closed end.
    command = [sys.executable, "-m", "edge.cli", "detect", "--json", *["photos/nothing.jpg"] * 50]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    detecting = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=photos.parent, env=environment
    )
    with killed_at_the_end(detecting) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


def test_a_file_name_that_is_no_text(photos: Path) -> None:
    (photos / os.fsdecode(b"caf\xe9.jpg")).write_bytes((photos / "nothing.jpg").read_bytes())
    sources = [record["source"] for record in records(maskd("detect", "photos/caf*", "--json", cwd=photos.parent))]
    assert sources == [os.fsdecode(b"photos/caf\xe9.jpg")]
    assert "caf\\udce9.jpg: 0 faces" in maskd("detect", "photos/caf*", cwd=photos.parent).stdout


def test_names_that_are_not_text_are_printed_escaped(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    names = [
        b"not-utf8-\xff.jpg",
        b"line\nbreak.jpg",
        b"red\x1b[31m.jpg",
        b"-dash.jpg",
        b"bad-\xff.png",
        b"v\xff.mp4",
    ]
    for name in names:
        content = b"junk" if name.startswith(b"bad") else PHOTO.read_bytes()
        (photos / os.fsdecode(name)).write_bytes(CLIP.read_bytes() if name.endswith(b".mp4") else content)
    told = subprocess.run(
        [sys.executable, "-m", "edge.cli", "detect", str(photos), "--out", str(tmp_path / os.fsdecode(b"out\xff"))],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert told.returncode == 1
    printed = (told.stdout + told.stderr).decode("ascii")
    assert all(c.isprintable() for c in printed.replace("\n", "")), "control characters reach no terminal"
    for name in names:
        assert repr(os.fsdecode(name)).strip("'") in printed
    assert len([line for line in printed.splitlines() if "break.jpg" in line]) == 1
    drawn = {path.name for path in (tmp_path / os.fsdecode(b"out\xff")).iterdir()}
    assert drawn == {os.fsdecode(name) for name in names} - {os.fsdecode(b"bad-\xff.png")}


def test_a_name_that_begins_with_a_dash_is_explained(tmp_path: Path) -> None:
    (tmp_path / "-dash.jpg").write_bytes(PHOTO.read_bytes())
    for arguments, status in ((["-dash.jpg"], 2), (["./-dash.jpg"], 0), (["--", "-dash.jpg"], 0)):
        command = [sys.executable, "-m", "edge.cli", "detect", *arguments]
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
        assert told.returncode == status, told.stderr
        assert status == 0 or "the file -dash.jpg looks like an option: write ./-dash.jpg" in told.stderr
