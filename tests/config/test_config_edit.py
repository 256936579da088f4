"""One value written into config.yaml: what it becomes, and that nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.edit import write_setting
from edge.config.file import load_config
from edge.config.settable import Settable
from edge.config.yaml_edit import CannotEdit, Value, edit_yaml
from edge.config.yaml_source import read_yaml
from edge.errors import MaskdError
from tests.support.places import ROOT

SHIPPED = ROOT / "config.yaml"
SCORE = ("cameras", "door", "min_score")


@pytest.mark.parametrize(
    ("before", "location", "value", "after"),
    [
        (
            "cameras:\n  door:\n    min_score: 0.5  # why\n",
            SCORE,
            0.6,
            "cameras:\n  door:\n    min_score: 0.6  # why\n",
        ),
        ("cameras: {door: {min_score: '0.5'}}", SCORE, 0.6, "cameras: {door: {min_score: '0.6'}}"),
        ('cameras: {door: {min_score: "0.5"}}', SCORE, None, "cameras: {door: {min_score: null}}"),
        ("cameras: {door: {min_score: ~ }}", SCORE, 1, "cameras: {door: {min_score: 1 }}"),
        ("cameras:\n  door:\n    min_score:  # none\n", SCORE, 0.6, "cameras:\n  door:\n    min_score: 0.6  # none\n"),
        ("cameras: {door: {min_score: , loop: true}}", SCORE, 0.6, "cameras: {door: {min_score: 0.6 , loop: true}}"),
        ("cameras: {door: {min_score}}", SCORE, 0.6, "cameras: {door: {min_score: 0.6}}"),
        ("cameras: {door: {source: 0}}", SCORE, 0.6, "cameras: {door: {source: 0, min_score: 0.6}}"),
        ("cameras: {door: {source: 0, }}", SCORE, 0.6, "cameras: {door: {source: 0, min_score: 0.6, }}"),
        ("cameras: {door: {}}", SCORE, 0.6, "cameras: {door: {min_score: 0.6}}"),
        (
            "{cameras: {door: {source: 0}}}",
            ("privacy",),
            "aggregate",
            "{cameras: {door: {source: 0}}, privacy: aggregate}",
        ),
        ("device: lobby", ("privacy",), "aggregate", "device: lobby\nprivacy: aggregate"),
        ("  device: lobby\n", ("privacy",), "aggregate", "  device: lobby\n  privacy: aggregate\n"),
        ("device: lobby\n", ("detector", "min_score"), 0.6, "device: lobby\ndetector:\n  min_score: 0.6\n"),
        ("detector:\n  # model: x\n", ("detector", "min_score"), 0.6, "detector:\n  min_score: 0.6\n  # model: x\n"),
        ("detector:", ("detector", "min_score"), 0.6, "detector:\n  min_score: 0.6"),
        ("detector: null  # so\n", ("detector", "min_score"), 0.6, "detector: {min_score: 0.6}  # so\n"),
        ("{detector: , device: a}", ("detector", "min_score"), 0.6, "{detector: {min_score: 0.6} , device: a}"),
        ("{device: lobby}", ("detector", "min_score"), 0.6, "{device: lobby, detector: {min_score: 0.6}}"),
        (
            "cameras:\r\n   door:\r\n      source: 0 # a\r\n\r\n   # b\r\n   till:\r\n      source: 1\r\n",
            SCORE,
            0.6,
            "cameras:\r\n   door:\r\n      source: 0 # a\r\n      min_score: 0.6\r\n\r\n   # b\r\n   till:\r\n"
            "      source: 1\r\n",
        ),
        (
            "cameras:\n  door:\n    zones:\n      exit:\n      - [0]\n      - - 1\n        - 1 # c\n\n# d\ndevice: a\n",
            SCORE,
            0.6,
            "cameras:\n  door:\n    zones:\n      exit:\n      - [0]\n      - - 1\n        - 1 # c\n"
            "    min_score: 0.6\n\n# d\ndevice: a\n",
        ),
        (
            "cameras:\n  door:\n    source: |-\n      0\n# d\ndevice: a\n",
            SCORE,
            0.6,
            "cameras:\n  door:\n    source: |-\n      0\n    min_score: 0.6\n# d\ndevice: a\n",
        ),
        (
            "cameras: {\n  door: {source: 0 # first\n  }\n}\n",
            SCORE,
            0.6,
            "cameras: {\n  door: {source: 0, min_score: 0.6 # first\n  }\n}\n",
        ),
        (
            "cameras: {0-no: {source: 0}}\n",
            ("cameras", "0-no", "loop"),
            True,
            "cameras: {0-no: {source: 0, loop: true}}\n",
        ),
        ("---\ndevice: a\n...\n", ("privacy",), "events", "---\ndevice: a\nprivacy: events\n...\n"),
        (
            "device: 'a\u2028b' # \U0001f6aa\n",
            ("privacy",),
            "events",
            "device: 'a\u2028b' # \U0001f6aa\nprivacy: events\n",
        ),
    ],
)
def test_one_value_is_put_in_its_place(before: str, location: tuple[str, ...], value: Value, after: str) -> None:
    assert edit_yaml(before, location, value) == after


@pytest.mark.parametrize(
    "text",
    [
        "cameras: {door: &door {source: 0, min_score: 0.5}, till: *door}",
        "cameras: {till: &till {source: 0}, door: *till}",
        "cameras: {till: {min_score: &best 0.5}, door: {min_score: *best}}",
        "cameras: {till: {source: &device 0}, door: {source: *device}}",
        "cameras:\n  door:\n    min_score: |\n      0.5\n",
        "cameras:\n  ? door\n  : ? source\n    : 0\n",
    ],
)
def test_what_would_change_more_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit):
        edit_yaml(text, SCORE, 0.6)


def test_the_shipped_file_keeps_its_comments() -> None:
    before = SHIPPED.read_text()
    after = edit_yaml(before, ("cameras", "camera", "hold_s"), 2.5)
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert changed == [("    hold_s: null", "    hold_s: 2.5")]


# --- any configuration in any style ---

NULLS = ["null", "~", "Null", ""]
SCALARS: dict[str, st.SearchStrategy[Value]] = {
    "source": st.sampled_from(["0", "/dev/video2", "rtsp://a:b@c:1/d?e=f#g", "photos/", "it's", 'say "so"']),
    "enabled": st.booleans(),
    "width": st.integers(16, 8192),
    "photo_seconds": st.floats(0.1, 3600),
    "min_score": st.none() | st.floats(0, 1),
    "hold_s": st.none() | st.floats(0, 1e6),
}
COMMENTS = st.sampled_from(["# as it was", "#", "# min_score: 0.5", "# ändert {nichts}: [", "#\tx 'y \"z"])


class Writer:
    """Writes values as YAML in a style drawn at random."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw
        self._newline: str = draw(st.sampled_from(["\n", "\r\n"]))

    def document(self, values: dict[str, Any]) -> str:
        draw = self._draw
        if draw(st.integers(0, 9)) == 0:
            return f"{self.flow(values)}{draw(st.sampled_from(['', self._newline]))}"
        lines = ["---"] if draw(st.booleans()) else []
        lines += self.block(values, draw(st.integers(0, 2)))
        text = self._newline.join(lines + self.noise(0))
        return text + str(draw(st.sampled_from(["", self._newline, f"{self._newline}...{self._newline}"])))

    def block(self, values: dict[str, Any], indent: int) -> list[str]:
        lines = []
        for key, value in values.items():
            lines += self.noise(indent)
            start = f"{' ' * indent}{key}:"
            if isinstance(value, dict) and value and self._draw(st.integers(0, 3)):
                lines.append(start + self.remark())
                lines += self.block(value, indent + self._draw(st.integers(1, 4)))
            else:
                lines.append(f"{start} {self.flow(value)}" + self.remark())
        return lines

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            space = self._draw(st.sampled_from(["", " "]))
            entries = ", ".join(f"{key}: {self.flow(child)}" for key, child in value.items())
            comma = self._draw(st.sampled_from([",", ", ", ""])) if value else ""
            return f"{{{space}{entries}{comma}{space}}}"
        return self.scalar(value)

    def scalar(self, value: Value) -> str:
        if value is None:
            return str(self._draw(st.sampled_from(NULLS)))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        single, double = "'" + text.replace("'", "''") + "'", '"' + text.replace('"', '\\"') + '"'
        is_plain = not set(text) & set("'\"#")
        return str(self._draw(st.sampled_from([single, double, text] if is_plain else [single, double])))

    def remark(self) -> str:
        return f"  {self._draw(COMMENTS)}" if self._draw(st.integers(0, 2)) == 0 else ""

    def noise(self, indent: int) -> list[str]:
        kind = self._draw(st.integers(0, 5))
        comment = " " * self._draw(st.integers(0, indent)) + str(self._draw(COMMENTS))
        return [[""], [comment]][kind] if kind < 2 else []


@st.composite
def edits(draw: Callable[[st.SearchStrategy[Any]], Any]) -> tuple[str, tuple[str, ...], Value]:
    camera = st.fixed_dictionaries(
        {"source": SCALARS["source"]}, optional={k: SCALARS[k] for k in SCALARS if k != "source"}
    )
    values = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "device": st.just("lobby"),
                "privacy": st.sampled_from(["events", "aggregate"]),
                "cameras": st.dictionaries(st.sampled_from(["door", "till", "0-yard"]), camera, min_size=1),
                "detector": st.none() | st.fixed_dictionaries({}, optional={"min_score": SCALARS["min_score"]}),
            },
        ).filter(bool)
    )
    cameras = values.get("cameras", {})
    locations = [("privacy",), ("detector", "min_score")]
    locations += [("cameras", name, setting) for name in cameras for setting in SCALARS if setting != "source"]
    location = draw(st.sampled_from(locations))
    value = draw(st.sampled_from(["events", "aggregate"]) if location == ("privacy",) else SCALARS[location[-1]])
    return Writer(draw).document(values), location, value


def expected(values: dict[str, Any], location: tuple[str, ...], value: Value) -> dict[str, Any]:
    section = values
    for key in location[:-1]:
        section[key] = section.get(key) or {}
        section = section[key]
    section[location[-1]] = None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return values


@settings(max_examples=int(os.environ.get("MASKD_SETTING_EDITS", "300")))
@given(edits())
def test_every_style_keeps_all_other_lines_to_the_byte(edit: tuple[str, tuple[str, ...], Value]) -> None:
    """MASKD_SETTING_EDITS=10000 for many more."""
    text, location, value = edit
    before = read_yaml(text)
    assert before.problems == []

    edited = edit_yaml(text, location, value)

    assert read_yaml(edited).value == expected(before.value, location, value)
    old, new = text.splitlines(keepends=True), edited.splitlines(keepends=True)
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    assert len(old) <= 1
    assert len(new) <= 1 + len(location)
    if old and len(new) == 1:
        old_comment, new_comment = (line.partition("  #")[2] for line in (old[0], new[0]))
        assert old_comment == new_comment


# --- the file ---


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def refusal(path: Path, location: tuple[str, ...] = SCORE, value: Value = 0.6) -> str:
    before = path.read_bytes()
    with pytest.raises(MaskdError) as caught:
        write_setting(path, location, value)
    assert path.read_bytes() == before
    assert names_in(path.parent) == [path.name]
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "config.yaml")


def test_the_file_is_replaced_with_its_mode_and_what_it_holds_besides(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbfcameras:\r\n  door: {source: 0}\r\n")
    path.chmod(0o640)
    inode = path.stat().st_ino
    write_setting(path, SCORE, 0.6)
    assert path.read_bytes() == b"\xef\xbb\xbfcameras:\r\n  door: {source: 0, min_score: 0.6}\r\n"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert path.stat().st_ino != inode
    assert Settable("min_score", "door").value_in(load_config(path)) == 0.6
    assert names_in(tmp_path) == ["config.yaml"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to others")
def test_the_owner_stays(tmp_path: Path) -> None:
    path = write(tmp_path, "cameras: {door: {source: 0}}\n")
    os.chown(path, 1234, 4321)
    write_setting(path, SCORE, 0.6)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").mkdir()
    target = write(tmp_path / "real", "cameras: {door: {source: 0}}\n")
    link = tmp_path / "linked" / "config.yaml"
    link.symlink_to("../real/config.yaml")
    write_setting(link, SCORE, 0.6)
    assert link.readlink() == Path("../real/config.yaml")
    assert Settable("min_score", "door").value_in(load_config(target)) == 0.6


def test_what_a_person_changed_meanwhile_stays(tmp_path: Path) -> None:
    path = write(tmp_path, "cameras: {door: {source: 0}}\n")
    load_config(path)
    write(tmp_path, "device: hall # new\ncameras: {door: {source: 1}}\n")
    write_setting(path, SCORE, 0.6)
    assert path.read_text() == "device: hall # new\ncameras: {door: {source: 1, min_score: 0.6}}\n"


def test_a_file_that_became_invalid_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "cameras: {door: {sourc: 0}}\n")
    assert refusal(path).startswith(
        "nothing was written, since the file is not valid now: config.yaml:1:11: cameras.door.source: is missing; "
        "add a line `source: ...` (auto, demo, picamera "
    )


def test_a_camera_that_is_not_in_the_file_is_not_made_up(tmp_path: Path) -> None:
    path = write(tmp_path, "device: lobby\n")
    assert refusal(path, ("cameras", "camera", "min_score")).startswith(
        "nothing was written, since the file would not be valid: config.yaml:3:3: cameras.camera.source: is missing"
    )


def test_a_value_that_contradicts_the_file_is_not_written(tmp_path: Path) -> None:
    path = write(tmp_path, "detector: {low_score: 0.4}\n")
    assert "0.4 is above detector.min_score, 0.3" in refusal(path, ("detector", "min_score"), 0.3)


def test_the_line_to_change_by_hand_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "cameras:\n  till: &till {source: photos/, min_score: 0.5}\n  door: *till\n")
    assert load_config(path)
    assert refusal(path) == (
        "config.yaml:2: cameras.door.min_score cannot be written here without changing more than this value; "
        "set it to 0.6 by hand"
    )


def test_nothing_is_written_where_the_value_stands_already(tmp_path: Path) -> None:
    path = write(tmp_path, "cameras: {door: {source: 0, min_score: 0.6}}\n")
    inode = path.stat().st_ino
    write_setting(path, SCORE, 0.6)
    assert path.stat().st_ino == inode


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MaskdError, match="there is no configuration file"):
        write_setting(tmp_path / "config.yaml", SCORE, 0.6)


# --- where writing fails ---

WRITE = """
import sys
from pathlib import Path
from edge.config.edit import write_setting
from edge.errors import MaskdError
try:
    write_setting(Path(sys.argv[1]), ("cameras", "door", "min_score"), 0.6)
except MaskdError as error:
    print(error)
"""

BECOME_NOBODY = """
import os, sys
from pathlib import Path
import edge.config.edit
from edge.config.file import load_config
load_config(Path(sys.argv[1]))  # loads what Python loads late, from where nobody may not read
os.setgid(65534)
os.setuid(65534)
"""


def in_own_mounts(script: str, folder: Path) -> str:
    """What a shell script prints that has file systems of its own; skips the test where that is forbidden."""
    environment = {**os.environ, "PYTHONPATH": str(SHIPPED.parent), "PYTHON": sys.executable, "WRITE": WRITE}
    command = ["unshare", "--mount", "--map-root-user", "sh", "-ec", script]
    if subprocess.run([*command[:3], "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives out no mounts")
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_read_only_disk_is_explained_with_systemds_remedy(tmp_path: Path) -> None:
    write(tmp_path, "cameras: {door: {source: 0}}\n")
    said = in_own_mounts(
        'mount --bind . .; mount -o remount,bind,ro .; cd "$PWD"; "$PYTHON" -c "$WRITE" "$PWD/config.yaml"', tmp_path
    )
    assert said == (
        f"{tmp_path}/config.yaml cannot be written: Read-only file system; systemd keeps /etc read-only for a service: "
        f"`systemctl edit maskd` and add, below [Service], ReadWritePaths={tmp_path}"
    )


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    before = "cameras: {door: {source: 0}}\n" + "# kept\n" * 2000
    write(tmp_path, before)
    said = in_own_mounts(
        'mkdir small; mount -t tmpfs -o size=24k none small; cp config.yaml small; "$PYTHON" -c "$WRITE" '
        '"$PWD/small/config.yaml"; ls -A small; cmp config.yaml small/config.yaml',
        tmp_path,
    )
    assert said.splitlines() == [
        f"{tmp_path}/small/config.yaml cannot be written: No space left on device; free some space on its disk",
        "config.yaml",
    ]


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_a_folder_of_somebody_else_is_explained() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder, "cameras: {door: {source: 0}}\n")
        folder.chmod(0o755)
        command = [sys.executable, "-c", BECOME_NOBODY + WRITE, str(path)]
        done = subprocess.run(command, cwd=SHIPPED.parent, capture_output=True, text=True, check=True)
        assert done.stdout == (
            f"{path} cannot be written: Permission denied; let maskd's user own the file and its folder: "
            f"chown maskd: {folder} {path}\n"
        )
        assert names_in(folder) == ["config.yaml"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
def test_an_owner_that_cannot_be_kept_is_explained() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder, "cameras: {door: {source: 0}}\n")
        folder.chmod(0o777)
        command = [sys.executable, "-c", BECOME_NOBODY + WRITE, str(path)]
        done = subprocess.run(command, cwd=SHIPPED.parent, capture_output=True, text=True, check=True)
        assert "Operation not permitted; let maskd's user own the file" in done.stdout
        assert names_in(folder) == ["config.yaml"]
        assert path.stat().st_uid == 0
