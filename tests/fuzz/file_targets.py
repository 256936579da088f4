"""Files: one function per kind. Each returns whether the file was taken, and raises for a defect."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from edge.camera.photos import read_photo
from edge.camera.video import frames
from edge.config.edit import write_setting
from edge.config.file import load_config, show_config
from edge.errors import MaskdError, UsageError
from edge.vision.faces import TfliteFaceDetector
from edge.vision.masks import MaskClassifier
from edge.vision.model import Task, find_model, open_model
from edge.vision.preprocess import Image
from tests.support.pictures import red_left_blue_right, write_video

REPOSITORY = Path(__file__).parent.parent.parent
FRAMES_READ = 20
"""Of a video: enough to run past a damaged place."""


def refused(error: MaskdError, path: Path | None = None) -> bool:
    """False: the input was not taken; after a look at the sentence that says so."""
    assert str(error), "a refusal without a word"
    assert path is None or str(path) in str(error), f"the refusal does not name the file: {error}"
    return False


def feed_config(data: bytes, folder: Path) -> bool:
    """A configuration is either refused in words that name the file, or can be shown."""
    path = folder / "config.yaml"
    path.write_bytes(data)
    try:
        config = load_config(path)
    except UsageError as error:
        return refused(error, path)
    assert yaml.safe_load(show_config(config))["device"] == config.device
    return True


def feed_edit(data: bytes, folder: Path) -> bool:
    """A setting written into a configuration, as a command with `persist` does: nothing else of it changes, or nothing
    at all. The last line says which setting, and the value."""
    path = folder / "edited.yaml"
    text, _, command = data.rpartition(b"\n")
    location, _, value = command.decode(errors="replace").partition("=")
    path.write_bytes(text)
    keys = ("privacy",) if location == "privacy" else ("cameras", *location.split("."))
    try:
        before = load_config(path)
        write_setting(path, keys, {"null": None, "true": True, "0.625": 0.625}.get(value, value))
    except MaskdError as error:
        assert path.read_bytes() == text, "the file was changed, and the command refused"
        return refused(error)
    expected, written = before.model_dump(), load_config(path).model_dump()
    parts: list[Any] = [expected, written]
    for key in keys[:-1]:
        parts = [part[key] for part in parts]
    parts[0][keys[-1]] = parts[1][keys[-1]]
    assert written == expected, f"more than {location} was changed"
    return True


def edit_seeds(folder: Path) -> list[bytes]:
    commands = ("privacy=aggregate", "camera.min_score=0.625", "door.enabled=true", "hall.min_score=null")
    return [
        seed.rstrip() + b"\n" + command.encode()
        for seed in config_seeds(folder)
        for command in commands
        if command.partition(".")[0].encode() + b":" in seed or command.startswith("privacy")
    ]


def config_seeds(_folder: Path) -> list[bytes]:
    """The shipped file without its comments, which would take most of the edits; and one with every kind of value."""
    shipped = (REPOSITORY / "config.yaml").read_text().splitlines()
    settings = "\n".join(line for line in shipped if line.strip() and not line.lstrip().startswith("#"))
    return [settings.encode(), _RICH_CONFIG.encode()]


_RICH_CONFIG = """\
device: lobby
cameras:
  door:
    source: rtsp://viewer:secret@192.168.1.20:554/stream
    rotate: 90
    zones:
      entrance: {corners: [[0.0, 0.2], [0.5, 0.2], [0.5, 1.0]], compliant: [all], dwell_s: 2}
      exit: {corners: [[0.5, 0], [1, 0], [1, 1]], ignore: true}
  hall: &hall
    source: 0
    min_score: 0.4
  yard: {source: /dev/video2, enabled: off}
detector: {min_score: 0.5, low_score: 0.1}
compliance:
  compliant: [with_mask, mask_weared_incorrect]
mqtt:
  protocol: 3.1.1
  username: lobby
  tls: {}
storage:
  path: "/var/lib/maskd"
"""


def feed_photo(data: bytes, folder: Path) -> bool:
    path = folder / "photo.jpg"
    path.write_bytes(data)
    try:
        return _is_picture(read_photo(path))
    except MaskdError as error:
        return refused(error, path)


def _is_picture(image: Image) -> bool:
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert image.size
    return True


def photo_seeds(_folder: Path) -> list[bytes]:
    colour = red_left_blue_right()
    pictures = {
        ".jpg": (colour, colour[:, :, 0]),
        ".png": (colour, colour[:, :, 0], np.dstack([colour, colour[:, :, :1]]), colour.astype(np.uint16) * 257),
        ".bmp": (colour,),
        ".webp": (colour,),
        ".tiff": (colour,),
        ".ppm": (colour,),
    }
    return [bytes(cv2.imencode(suffix, picture)[1]) for suffix, variants in pictures.items() for picture in variants]


def feed_video(data: bytes, folder: Path) -> bool:
    path = folder / "clip.mp4"
    path.write_bytes(data)
    try:
        return all(_is_picture(frame.image) for frame in islice(frames(path), FRAMES_READ))
    except MaskdError as error:
        return refused(error, path)


def video_seeds(folder: Path) -> list[bytes]:
    pictures = [red_left_blue_right()] * 6
    return [write_video(folder / f"seed{suffix}", pictures).read_bytes() for suffix in (".mp4", ".avi")]


_SHIPPED: dict[Task, str] = {"mask_classification": "mask-classifier", "face_detection": "face-detector"}


def feed_model(data: bytes, folder: Path) -> bool:
    """A changed .tflite never reaches the runtime: its hash is not the manifest's."""
    shipped, manifest = find_model("mask-classifier")
    path = folder / "model.tflite"
    path.write_bytes(data)
    text = manifest.model_copy(update={"file": path.name}).model_dump_json(exclude_none=True)
    path.with_suffix(".json").write_text(text)
    unchanged = hashlib.sha256(data).hexdigest() == manifest.sha256
    try:
        open_model(path, "mask_classification")
    except MaskdError as error:
        assert not unchanged, error  # noqa: PT017
        return refused(error, path)
    assert unchanged, f"it is not {shipped}, and was taken"
    return True


def model_seeds(_folder: Path) -> list[bytes]:
    return [find_model("mask-classifier")[0].read_bytes()]


def feed_manifest(data: bytes, folder: Path) -> bool:
    """The manifest changed and the model whole: what is taken then also runs."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    task: Task = "mask_classification"
    if isinstance(document, dict):
        task = "face_detection" if document.get("task") == "face_detection" else "mask_classification"
        document["file"] = "model.tflite"
        if "sha256" in document:
            document["sha256"] = _content(task)[1]
        data = json.dumps(document).encode()
    path = folder / "model.tflite"
    if not path.exists() or path.stat().st_size != len(_content(task)[0]):
        path.write_bytes(_content(task)[0])
    path.with_suffix(".json").write_bytes(data)
    try:
        _run_once(path, task)
    except MaskdError as error:
        # A problem that the runtime itself finds in the graph names no file.
        return refused(error)
    return True


def _content(task: Task) -> tuple[bytes, str]:
    if task not in _contents:
        content = find_model(_SHIPPED[task])[0].read_bytes()
        _contents[task] = content, hashlib.sha256(content).hexdigest()
    return _contents[task]


_contents: dict[Task, tuple[bytes, str]] = {}


def _run_once(path: Path, task: Task) -> None:
    model = open_model(path, task)
    if task == "face_detection":
        for face in TfliteFaceDetector(model).detect(red_left_blue_right(), 0.01):
            assert 0 <= face.score <= 1
    else:
        classifier = MaskClassifier(model)
        size = model.manifest.input.width
        (answer,) = classifier.classify_crops(np.zeros((1, size, size, 3), np.uint8))
        assert answer.status in (*classifier.labels, "unknown")


def manifest_seeds(_folder: Path) -> list[bytes]:
    return [find_model(name)[0].with_suffix(".json").read_bytes() for name in _SHIPPED.values()]
