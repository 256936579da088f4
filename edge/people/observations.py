"""What the detector and the classifier said of the last minutes, without a picture: enough to judge them again by other
rules."""

from __future__ import annotations

import math
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from edge.config import Config
from edge.errors import MaskdError
from edge.geometry import Box
from edge.people.scene import Scene
from edge.system.part import Part

KEPT_S = 600.0
"""How far back they go."""
KEPT_BYTES = 4_000_000
"""For each camera."""
_LOOK = struct.Struct("<dHHB")
"""When, width, height, number of faces."""
_FACE = struct.Struct("<Q5d")
"""The track, left, top, right, bottom, score."""
_MOST_FACES = 255


@dataclass(frozen=True, slots=True)
class ObservedFace:
    track: int
    """Of the live run, so that judgements of one person can be told from another's; 0: the face was on none."""
    box: Box
    score: float
    probabilities: tuple[float, ...] | None
    """In the order of the classifier's labels; None: the classifier did not look at this face."""


@dataclass(frozen=True, slots=True)
class Look:
    """One picture."""

    at: float
    """Monotonic seconds."""
    frame_size: tuple[int, int]
    faces: tuple[ObservedFace, ...]
    marks: int | None = None
    """Where something has moved since (edge.vision.motion.MotionMarks); None: a live run's own gate has chosen."""


class PackedLooks(Sequence[Look]):
    """Each is unpacked whenever it is asked for: ten minutes of them would take 15 MB, and be as much work for Python's
    garbage collector, which holds up every thread."""

    def __init__(self, packed: Sequence[bytes], unpack: Callable[[bytes], Look]) -> None:
        self._packed = packed
        self._unpack = unpack

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, place: int) -> Look: ...

    @overload
    def __getitem__(self, place: slice) -> PackedLooks: ...

    def __getitem__(self, place: int | slice) -> Look | PackedLooks:
        if isinstance(place, slice):
            return PackedLooks(self._packed[place], self._unpack)
        return self._unpack(self._packed[place])

    def __iter__(self) -> Iterator[Look]:
        return map(self._unpack, self._packed)


class Observations:
    """Those of one camera, in memory and packed. From any thread."""

    def __init__(self, labels: Sequence[str], *, kept_s: float = KEPT_S, kept_bytes: int = KEPT_BYTES) -> None:
        self._labels = tuple(labels)
        self._probabilities = struct.Struct(f"<{len(labels)}f")
        self._kept_s = kept_s
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()
        self._looks: deque[bytes] = deque()
        self._bytes = 0

    def add(self, scene: Scene) -> None:
        """Takes in a scene with a picture."""
        assert scene.frame is not None
        width, height = scene.frame.pixels.size
        look = self._packed(scene, width, height)
        with self._lock:
            self._looks.append(look)
            self._bytes += len(look)
            while self._bytes > self._kept_bytes or _at(look) - _at(self._looks[0]) > self._kept_s:
                self._bytes -= len(self._looks.popleft())

    def clear(self) -> None:
        with self._lock:
            self._looks.clear()
            self._bytes = 0

    def latest(self, seconds: float) -> Sequence[Look]:
        """Those of the last seconds before the newest picture, in order."""
        with self._lock:
            newest = _at(self._looks[-1]) if self._looks else 0.0
        return self.since(math.nextafter(newest - seconds, -math.inf))

    def since(self, at: float) -> Sequence[Look]:
        """Those after a moment, in order."""
        newer: list[bytes] = []
        with self._lock:
            for look in reversed(self._looks):
                if _at(look) <= at:
                    break
                newer.append(look)
        return PackedLooks(newer[::-1], self._unpacked)

    def _packed(self, scene: Scene, width: int, height: int) -> bytes:
        assert scene.frame is not None
        people = {person.box: person for person in scene.people if person.seen}
        faces = scene.faces[:_MOST_FACES]
        parts = [_LOOK.pack(scene.frame.captured_at, width, height, len(faces))]
        for face in faces:
            box, person = face.box, people.get(face.box)
            track = 0 if person is None else int(person.track, 16)
            parts.append(_FACE.pack(track, box.x1, box.y1, box.x2, box.y2, face.score))
            judged = person is not None and person.classified_at == scene.frame.captured_at
            if person is not None and judged and person.classification is not None:
                values = person.classification.probabilities
                parts += [b"\x01", self._probabilities.pack(*(values[label] for label in self._labels))]
            else:
                parts.append(b"\x00")
        return b"".join(parts)

    def _unpacked(self, packed: bytes) -> Look:
        at, width, height, count = _LOOK.unpack_from(packed)
        return Look(at, (width, height), tuple(self._faces(packed, count)))

    def _faces(self, packed: bytes, count: int) -> Iterator[ObservedFace]:
        place = _LOOK.size
        for _ in range(count):
            track, x1, y1, x2, y2, score = _FACE.unpack_from(packed, place)
            place += _FACE.size + 1
            probabilities = None
            if packed[place - 1]:
                probabilities = self._probabilities.unpack_from(packed, place)
                place += self._probabilities.size
            yield ObservedFace(track, Box(x1, y1, x2, y2), score, probabilities)


def _at(packed: bytes) -> float:
    at: float = _LOOK.unpack_from(packed)[0]
    return at


class ObservationLog(Part):
    """Keeps the observations of every camera for `maskd replay --last` and the page. Keeping them changes nothing of
    what is classified; `privacy: aggregate` clears them and keeps none."""

    def __init__(self, labels: Sequence[str], config: Config) -> None:
        """`labels`: the classifier's."""
        self.labels = tuple(labels)
        self._lock = threading.Lock()
        self._config = config
        self._cameras: dict[str, Observations] = {}

    def apply(self, config: Config) -> None:
        with self._lock:
            self._config = config
            if config.privacy == "aggregate":
                self._cameras.clear()
            for name in self._cameras.keys() - config.cameras.keys():
                del self._cameras[name]

    def take(self, scenes: Sequence[Scene]) -> None:
        """What one round of the vision thread showed."""
        with self._lock:
            if self._config.privacy == "aggregate":
                return
            for scene in scenes:
                if scene.frame is not None and scene.camera in self._config.cameras:
                    self._cameras.setdefault(scene.camera, Observations(self.labels)).add(scene)

    def of_camera(self, camera: str) -> Observations | None:
        """None: nothing was observed yet, or nothing is kept."""
        with self._lock:
            return self._cameras.get(camera)

    def answer(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """To the command `observations` with `camera` and `seconds`. Raises MaskdError where there are none."""
        with self._lock:
            config, known = self._config, dict(self._cameras)
        camera, seconds = fields.get("camera"), fields.get("seconds")
        if config.privacy == "aggregate":
            raise MaskdError("privacy is aggregate, so no observations are kept; replay a video file instead")
        if not isinstance(camera, str) or camera not in config.cameras:
            raise MaskdError(f"there is no camera of that name, only: {', '.join(config.cameras)}")
        if not isinstance(seconds, (int, float)) or not 0 < seconds <= KEPT_S:
            raise MaskdError(f"observations of the last {KEPT_S / 60:.0f} minutes are kept; ask for 1s to 10m")
        looks = known[camera].latest(seconds) if camera in known else []
        return {
            "labels": self.labels,
            "wall_offset": time.time() - time.monotonic(),
            "settings": replayable_settings(config, camera),
            "looks": [_as_list(look) for look in looks],
        }


def replayable_settings(config: Config, camera: str) -> dict[str, Any]:
    """What a replay of one camera depends on, as values of a configuration; no address and no secret."""
    values = config.model_dump(mode="json", include={"detector", "classifier", "tracking", "compliance"})
    own = config.cameras[camera].model_dump(mode="json")
    return {**values, "cameras": {camera: {**own, "source": "demo"}}}


def _as_list(look: Look) -> list[Any]:
    faces = [
        [face.track, face.box.x1, face.box.y1, face.box.x2, face.box.y2, face.score, face.probabilities]
        for face in look.faces
    ]
    return [look.at, *look.frame_size, faces]


def look_from_list(values: Sequence[Any]) -> Look:
    """The inverse of what answer() tells of a look; a recorded clip's has its marks as well."""
    at, width, height, faces, *marks = values
    return Look(
        at,
        (width, height),
        tuple(
            ObservedFace(track, Box(*box), score, None if probabilities is None else tuple(probabilities))
            for track, *box, score, probabilities in faces
        ),
        *marks,
    )
