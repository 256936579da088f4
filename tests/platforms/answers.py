"""What maskd is asked on each machine, and what it answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.camera.photos import read_photo
from edge.camera.video import frames
from edge.demo_clip import CLIP
from edge.vision.model import find_model
from tests.platforms.differences import Tensors
from tests.platforms.foreign import MASKD, PYTHON, Foreign
from tests.platforms.versions import VERSIONS
from tests.support.pictures import write_photo

DETECTORS = ("face-detector", "face-detector-far")
MODELS = (*DETECTORS, "mask-classifier")
CLIP_EVERY = 24
PHOTOS_OF_EACH_SET = 12

RUN_MODELS = """
import edge, numpy, pathlib, platform, sys
from edge.vision.tflite import load_interpreter
models = {}
outputs = {}
for name, array in numpy.load("/srv/inputs.npz").items():
    model = name.split(" ")[0]
    if model not in models:
        models[model] = load_interpreter(pathlib.Path(edge.__file__).with_name("models") / f"{model}.tflite")
    for number, output in enumerate(models[model].run(array)):
        outputs[f"{name} {number}"] = output.values
numpy.savez("/srv/outputs.npz", **outputs)
"""

CONFIG = """\
device: lobby
cameras: {{door: {{source: demo}}}}
detector: {{model: {detector}}}
mqtt: {{enabled: false}}
storage: {{path: /var/lib/maskd}}
"""


@dataclass(frozen=True, slots=True)
class Pictures:
    """In `folder`: `inputs.npz` for the models, and a subfolder of photos for each group."""

    folder: Path
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    versions: str
    checks: dict[str, dict[str, Any]]
    """By detector, what `maskd check --json` printed."""
    detections: dict[tuple[str, str], list[dict[str, Any]]]
    """By detector and group of pictures, the lines of `maskd detect --json`."""
    outputs: dict[str, Tensors]
    """By model."""


def make_pictures(folder: Path) -> Pictures:
    """The project's own pictures, and where there are labelled photos some of each set."""
    groups = ["clip"]
    (folder / "clip").mkdir(parents=True)
    for frame in frames(CLIP):
        if frame.number % CLIP_EVERY == 0:
            write_photo(folder / "clip" / f"{frame.number:03}.png", frame.image)
    selftest = files("edge") / "selftest" / "photo.jpg"
    (folder / "clip" / "selftest.jpg").write_bytes(selftest.read_bytes())
    for name, photos in _labelled_photos():
        groups.append(name)
        (folder / name).mkdir()
        for photo in photos:
            (folder / name / photo.name).write_bytes(photo.read_bytes())
    inputs: dict[str, Any] = {}
    for model in MODELS:
        wanted = find_model(model)[1].input
        for number, path in enumerate(sorted((folder / "clip").iterdir())):
            picture = cv2.resize(read_photo(path), (wanted.width, wanted.height))
            inputs[f"{model} {number}"] = picture[np.newaxis]
    np.savez(folder / "inputs.npz", **inputs)
    return Pictures(folder, tuple(groups))


def ask(machine: Foreign, pictures: Pictures) -> Answers:
    """Raises AssertionError where a command fails."""
    for path in pictures.folder.rglob("*"):
        if path.is_file():
            to = machine.inside(f"/srv/{path.relative_to(pictures.folder)}")
            to.parent.mkdir(exist_ok=True)
            to.write_bytes(path.read_bytes())
    told = machine.run(PYTHON, "-c", VERSIONS).strip()
    checks, detections = {}, {}
    for detector in DETECTORS:
        config = f"/srv/{detector}.yaml"
        machine.inside(config).write_text(CONFIG.format(detector=detector))
        checks[detector] = json.loads(machine.run(MASKD, "check", "--json", "-c", config, check=False))
        for group in pictures.groups:
            printed = machine.run(MASKD, "detect", "--json", "-c", config, f"/srv/{group}")
            detections[detector, group] = [json.loads(line) for line in printed.splitlines()]
    return Answers(told, checks, detections, run_models(machine))


def run_models(machine: Foreign) -> dict[str, Tensors]:
    """By model, its outputs for the pictures that `ask` brought. Raises AssertionError where a model does not run."""
    machine.run(PYTHON, "-c", RUN_MODELS)
    with np.load(machine.inside("/srv/outputs.npz")) as saved:
        return {m: {name: saved[name] for name in saved.files if name.split()[0] == m} for m in MODELS}


def _labelled_photos() -> Iterator[tuple[str, list[Path]]]:
    """Of each set that this machine has its name and some photos, evenly from all."""
    data = Path(os.environ.get("MASKD_DATA", "../shared/data"))
    for folder in sorted(data.glob("*_voc")):
        photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
        if photos:
            yield folder.name, photos[:: max(1, len(photos) // PHOTOS_OF_EACH_SET)][:PHOTOS_OF_EACH_SET]
