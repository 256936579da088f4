"""Recorded clips in the device's own folder, read once by a process of low priority, and then replayed in no time."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge.camera.suffixes import VIDEO_SUFFIXES
from edge.config import Config
from edge.errors import MaskdError
from edge.people.observations import look_from_list
from edge.system.printable import one_line
from edge.web.replays import Recorded

FOLDER = "clips"
"""Below `storage.path`."""
MOST_CLIPS = 100
LONGEST_BYTES = 500_000_000
LONGEST_S = 300.0
"""Of a clip."""
READING_S = 600.0
"""In all, for a slow board."""
_NAME = re.compile(r"[\w .()+,-]{1,120}")
_Known = tuple[str, int, int]
"""Name, time of change and size."""
_Read = tuple[_Known, float, int]
"""The clip, and the settings that the reading itself depends on."""


class Clips:
    """One is read at a time, and the latest is kept in memory."""

    def __init__(self, storage: Path, labels: Sequence[str]) -> None:
        self.folder = storage / FOLDER
        self._labels = labels
        self._lock = threading.Lock()
        self._read: tuple[_Read, Recorded] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._is_busy = False

    def listed(self) -> Mapping[str, Any]:
        """Names, and why some files cannot be chosen."""
        clips, refused = [], []
        try:
            paths = sorted(self.folder.iterdir())[: 10 * MOST_CLIPS]
        except OSError:
            paths = []
        for path in paths:
            if path.name.startswith("."):
                continue
            try:
                self._require_allowed(path.name)
                clips.append(path.name)
            except MaskdError as error:
                refused.append(str(error))
        return {"folder": str(self.folder), "clips": clips[:MOST_CLIPS], "refused": refused[:MOST_CLIPS]}

    async def recorded(self, name: str, config: Config) -> Recorded:
        """What the models see in a clip. Raises MaskdError where it is refused or cannot be read."""
        known = self._require_allowed(name), config.detector.still_s, config.detector.max_faces
        if self._read is not None and self._read[0] == known:
            return self._read[1]
        if self._is_busy:
            raise MaskdError("another clip is being read; try again when it is done")
        self._is_busy = True
        try:
            recorded = await asyncio.get_running_loop().run_in_executor(None, self._read_clip, name, config)
        finally:
            self._is_busy = False
        self._read = known, recorded
        return recorded

    def stop(self) -> None:
        """From any thread: what was read is forgotten, and what is being read is given up."""
        self._read = None
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def _require_allowed(self, name: str) -> _Known:
        """Raises MaskdError."""
        path = self.folder / name
        if _NAME.fullmatch(name) is None or name.startswith("."):
            raise MaskdError(
                f"{one_line(name)[:120]!a}: rename it; letters, digits, spaces and . _ - ( ) + , are allowed"
            )
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise MaskdError(f"{name}: it is not a video by its name ({', '.join(sorted(VIDEO_SUFFIXES))})")
        try:
            # A link could lead out of the folder.
            state = path.lstat()
        except OSError:
            raise MaskdError(f"{name}: there is no such clip in {self.folder}") from None
        if path.is_symlink() or not path.is_file():
            raise MaskdError(f"{name}: it is not a plain file; copy the clip itself into {self.folder}")
        if state.st_size > LONGEST_BYTES:
            raise MaskdError(f"{name}: it has more than {LONGEST_BYTES // 1_000_000} MB; cut it shorter")
        return name, state.st_mtime_ns, state.st_size

    def _read_clip(self, name: str, config: Config) -> Recorded:
        """Raises MaskdError."""
        values = config.model_dump_json(include={"detector", "classifier", "runtime"})
        with self._lock:
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", "edge.web.clip_reader", str(self.folder / name)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        try:
            output, errors = process.communicate(values.encode(), timeout=READING_S)
        except subprocess.TimeoutExpired:
            raise MaskdError(
                f"{name}: reading it takes more than {READING_S / 60:.0f} minutes; cut it shorter"
            ) from None
        finally:
            with self._lock:
                self._process = None
            process.kill()
            process.wait()
        if process.returncode != 0:
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["it ended early"]
            raise MaskdError(f"{name}: {one_line(last[0])[:300]}")
        looks = [look_from_list(each) for each in json.loads(output)]
        return Recorded(looks, self._labels, None)
