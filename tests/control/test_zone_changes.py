"""Zones changed while maskd runs: in effect at once, and in config.yaml without another byte changed."""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.config.camera_zones import CameraZones
from edge.config.file import load_config
from edge.config.overrides import Overrides
from edge.config.settable import Settable
from edge.control import changes as changes_module
from edge.control.audit import By
from edge.control.changes import Changes
from edge.control.zone_changes import Kept, ZoneChanges
from edge.errors import MaskdError

TRIANGLE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
OTHER = [[0.0, 0.5], [1.0, 0.0], [1.0, 1.0]]
FILE = f"""# mine
storage: {{path: FOLDER}}
cameras:
  door:
    source: demo  # the clip
    zones:
      ward:  # since May
        corners: {TRIANGLE}
    # free
    hold_s: null
"""


class Device:
    """What is in effect, without a daemon."""

    def __init__(self, folder: Path, text: str = FILE) -> None:
        self.path = folder / "config.yaml"
        if not self.path.exists():
            self.path.write_bytes(text.replace("FOLDER", str(folder / "state")).encode())
        (folder / "state").mkdir(exist_ok=True)
        self.applied: list[Config] = []
        self.changes = Changes(load_config(self.path), self.path)
        self.changes.on_change = self.applied.append
        self.zones = ZoneChanges(self.changes)

    @property
    def text(self) -> str:
        return self.path.read_bytes().decode()


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_a_zone_is_added_replaced_renamed_and_removed(device: Device) -> None:
    before = device.text
    added = device.zones.set("door", "till", {"corners": OTHER, "compliant": ["all"]})
    assert added == Kept(device.path)
    lines = f"      till:\n        corners: {OTHER}\n        compliant: [all]\n"
    assert device.text == before.replace("    # free\n", lines + "    # free\n")
    device.zones.set("door", "till", {"corners": OTHER, "dwell_s": 2})
    assert load_config(device.path).cameras["door"].zones["till"].dwell_s == 2
    assert device.zones.rename("door", "ward", "icu").problem is None
    assert "      icu:  # since May\n" in device.text
    device.zones.remove("door", "till")
    assert device.text == before.replace("ward", "icu")
    assert device.zones.of("door") == {"icu": {"corners": TRIANGLE}}
    assert [sorted(config.cameras["door"].zones) for config in device.applied] == [
        ["till", "ward"],
        ["till", "ward"],
        ["icu", "till"],
        ["icu"],
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda zones: zones.remove("door", "hall"), "camera door has no zone hall; it has: ward"),
        (lambda zones: zones.rename("door", "ward", "ward"), "camera door has a zone ward already"),
        (lambda zones: zones.remove("gate", "ward"), "there is no camera gate, only: door"),
        (lambda zones: zones.set("door", "a b", {"corners": OTHER}), '"a b" is not a valid name'),
        (lambda zones: zones.set("door", "a", {"corners": [[0, 0], [1, 1], [1, 0], [0, 1]]}), "crosses itself"),
        (lambda zones: zones.set("door", "a", {"corners": OTHER, "dwel_s": 2}), 'did you mean "dwell_s"'),
        (lambda zones: zones.set("door", "a", {"corners": OTHER, "dwell_s": 2, "ignore": True}), "judges no one"),
    ],
)
def test_what_is_wrong_changes_nothing(device: Device, change: Callable[[ZoneChanges], Kept], words: str) -> None:
    before = device.text
    with pytest.raises(MaskdError, match=re.escape(words)) as caught:
        change(device.zones)
    assert "\n" not in str(caught.value)
    assert (device.text, device.applied, device.changes.status().problems) == (before, [], ())


def test_a_file_that_cannot_be_written_leaves_the_zones_in_overrides_json(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_path: Path, _data: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    before = device.text
    monkeypatch.setattr("edge.config.edit.replace_file", refuses)
    kept = device.zones.set("door", "till", {"corners": OTHER})
    assert kept.path == device.changes.overrides_path
    assert kept.problem is not None
    assert "cannot be written: Permission denied" in kept.problem
    assert device.text == before
    (problem,) = device.changes.status().problems
    assert problem.startswith("the zones of camera door are as they were drawn at ")
    restarted = Changes(load_config(device.path), device.path)
    assert sorted(restarted.config.cameras["door"].zones) == ["till", "ward"]
    device.path.write_text(before.replace("ward:", "icu:"))
    edited = Overrides(device.changes.overrides_path.parent, device.path)
    edited.read()
    layers = edited.over(load_config(device.path))
    assert list(layers.effective.cameras["door"].zones) == ["icu"], "an edit of the file wins, as for any setting"


def test_zones_may_be_kept_beside_the_file_on_purpose(device: Device) -> None:
    before = device.text
    kept = device.zones.set("door", "till", {"corners": OTHER}, persist=False)
    assert kept == Kept(device.changes.overrides_path)
    assert device.text == before
    assert device.zones.remove("door", "till") == Kept(device.path)
    assert device.changes.status().problems == ()


# --- any edits ---

BLOCK = """# mine
storage: {path: FOLDER}  # here
cameras:
  door:
    source: demo   # the clip
    hold_s: null   # hold
    zones:  # all of them
      # #free1
      ward:   # #ward1
        # #ward2
        corners: [[0, 0.0], [1.00, 0], [1, 1]]   # #ward3
        dwell_s:   2   # #ward4
      # #free2
      'till':
        corners:
        - [0.1, 0.1]
        -   - 0.9
            - 0.1
        - [0.5, 0.9]

      tv: {corners: [[0, 0], [0.1, 0], [0.1, 0.1]], ignore: on}  # #tv1
      # #free3
    min_score: 0.5   # zones: {a: b}

# end: [
detector:
    min_score: .41
"""
FLOW = """{storage: {path: FOLDER}, cameras: {door: {hold_s: ~, source: demo, zones: {ward: {corners: [[0, 0], [1, 0],
  [1, 1]]}, "till": {corners: [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]], compliant: [all]}}, min_score: 0.5}}} # end
"""
NAMES = ["ward", "till", "tv", "hall", "0-7", "true", "X_y"]


class Editor:
    """Draws edits, and knows what the file must look like after each."""

    def __init__(self, folder: Path, text: str, chance: random.Random) -> None:
        self.device = Device(folder, text)
        self.chance = chance
        self.refused = 0
        self.comments = {name: re.findall(rf"#{name}\d", text) for name in NAMES}
        self.free = re.findall(r"#free\d", text)

    def step(self) -> None:
        before = self.device.text
        if self.chance.random() < 0.1:
            self._set_a_number(before)
            return
        names = list(self.device.zones.of("door"))
        action = self.chance.choice(["set", "set", "rename", "remove"]) if names else "set"
        kept = getattr(self, f"_{action}")(names)
        if kept.problem is not None:
            assert "cannot be written here without changing more" in kept.problem
            assert self.device.text == before
            self.refused += 1
            return
        self._check(before)

    def _set(self, names: list[str]) -> Kept:
        values: dict[str, Any] = {"corners": self._corners()}
        if self.chance.random() < 0.5:
            values["compliant"] = self.chance.choice([["all"], [], ["with_mask", "a b"]])
        if self.chance.random() < 0.5:
            values["dwell_s"] = self.chance.choice([0, 1, 2.5])
        return self.device.zones.set("door", self.chance.choice([*names, *NAMES]), values)

    def _rename(self, names: list[str]) -> Kept:
        old = self.chance.choice(names)
        new = self.chance.choice([name for name in NAMES if name not in names] or ["last"])
        self.comments[new] = self.comments.pop(old, [])
        return self.device.zones.rename("door", old, new)

    def _remove(self, names: list[str]) -> Kept:
        name = self.chance.choice(names)
        self.comments.pop(name, None)
        return self.device.zones.remove("door", name)

    def _corners(self) -> list[list[float]]:
        middle = self.chance.uniform(0.2, 0.8), self.chance.uniform(0.2, 0.8)
        count, size = self.chance.randrange(3, 7), self.chance.uniform(0.01, 0.2)
        turns = [2 * math.pi * corner / count for corner in range(count)]
        return [[middle[0] + size * math.cos(turn), middle[1] + size * math.sin(turn)] for turn in turns]

    def _set_a_number(self, before: str) -> None:
        value = self.chance.choice([None, round(self.chance.uniform(0, 9), 3)])
        each = Settable("hold_s", "door")
        self.device.changes.set(each, value, By("command"))
        self.device.changes.write(each, 0.0)
        pattern = r"(hold_s: )[^ ,]+"
        written = "null" if value is None else repr(value)
        assert re.sub(pattern, r"\1", self.device.text) == re.sub(pattern, r"\1", before)
        assert f"hold_s: {written}" in self.device.text or value is None

    def _check(self, before: str) -> None:
        after = self.device.text
        in_file = load_config(self.device.path).cameras["door"].zones
        assert in_file == self.device.changes.config.cameras["door"].zones
        assert _around_the_zones(after) == _around_the_zones(before)
        found = re.findall(r"#[a-z]+\d", after)
        assert sorted(found) == sorted([*self.free, *(each for some in self.comments.values() for each in some)])


def _around_the_zones(text: str) -> tuple[str, str]:
    """What comes before `zones` and after it; both hold every byte that is not the zones'."""
    head, _, rest = text.partition("zones:")
    end = re.search(r" *# #free3|, min_score: 0\.5}", rest)
    assert end is not None
    return head, rest[end.start() :]


def edit_at_random(folder: Path, monkeypatch: pytest.MonkeyPatch, *, steps: int) -> None:
    monkeypatch.setattr(changes_module, "WRITES_PER_MINUTE", 10**9)
    seed = random.randrange(10**6)
    print(f"random.Random({seed})")
    chance = random.Random(seed)
    per_file = 25
    for number in range(steps // per_file):
        base, newline = chance.choice([BLOCK, BLOCK, FLOW]), chance.choice(["\n", "\n", "\r\n"])
        (folder / str(number)).mkdir()
        editor = Editor(folder / str(number), base.replace("\n", newline), chance)
        for _ in range(per_file):
            editor.step()
        assert editor.refused == 0


def test_edits_leave_every_other_byte_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MASKD_ZONE_EDITS=10000 for many more."""
    edit_at_random(tmp_path, monkeypatch, steps=int(os.environ.get("MASKD_ZONE_EDITS", "50")))


def test_the_zones_are_one_setting_of_their_camera(device: Device) -> None:
    assert str(CameraZones(camera="door")) == "camera door: zones"
    assert CameraZones(camera="door") != Settable("zones", "door")
