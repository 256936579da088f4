"""Where the daemon's memory goes: `python -m benchmarks.memory`.

Plays the demo's clip to one camera and to eight, with the page on and nobody watching, and reads after a minute what is
resident, by what it is for. Other load changes none of it. Prints a table in Markdown, in millions of bytes.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.daemon import add_login, daemon
from edge.demo_clip import CLIP
from tests.support.mosquitto import free_port

_HEADER = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(?P<name>.*)")
_VALUE = re.compile(r"(?P<key>Rss|Anonymous): +(?P<kb>\d+) kB")
_PACKAGES = {
    "cv2": "OpenCV",
    "opencv_python_headless.libs": "OpenCV",
    "av": "PyAV",
    "av.libs": "PyAV",
    "ai_edge_litert": "LiteRT",
    "numpy": "NumPy",
    "numpy.libs": "NumPy",
    "pydantic_core": "Pydantic",
}
HEAP, WRITTEN, CODE = "heap: Python's objects, models, pictures", "libraries: data of their own", "libraries: code of "


@dataclass(frozen=True, slots=True)
class Mapping:
    name: str
    """The file's path, or what Linux says, such as [heap]; empty where it says nothing."""
    resident: int
    """Bytes."""
    written: int
    """Bytes of these that no file holds."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Show where the daemon's memory goes.")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--seconds", type=float, default=60, help="after the start")
    args = parser.parse_args()
    columns = {count: resident(count, args.seconds) for count in args.cameras}
    names = sorted(
        {name for found in columns.values() for name in found}, key=lambda name: -columns[args.cameras[0]][name]
    )
    print(f"| MB | {' | '.join('1 camera' if count == 1 else f'{count} cameras' for count in columns)} |")
    print(f"|---|{'--:|' * len(columns)}")
    for name in names:
        print(f"| {name} | {' | '.join(f'{found[name] / 1e6:.1f}' for found in columns.values())} |")
    print(f"| **all** | {' | '.join(f'**{found.total() / 1e6:.1f}**' for found in columns.values())} |")


def resident(cameras: int, seconds: float) -> Counter[str]:
    """Bytes by what they are for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        add_login(folder)
        sources = {f"c{number}": CLIP for number in range(cameras)}
        with daemon(folder, sources, web={"port": free_port()}) as process:
            time.sleep(seconds)
            mappings = read_mappings((Path("/proc") / str(process.pid) / "smaps").read_text())
    found: Counter[str] = Counter()
    for each in mappings:
        if each.name.startswith("/"):
            found[WRITTEN] += each.written
            found[CODE + package_of(each.name)] += each.resident - each.written
        else:
            found[HEAP] += each.resident
    return found


def read_mappings(smaps: str) -> list[Mapping]:
    """Of what /proc/<pid>/smaps says; see proc_pid_smaps(5)."""
    found: list[tuple[str, dict[str, int]]] = []
    for line in smaps.splitlines():
        if (value := _VALUE.fullmatch(line)) is not None:
            found[-1][1][value["key"]] = int(value["kb"]) * 1024
        elif (header := _HEADER.fullmatch(line)) is not None:
            found.append((header["name"], {}))
    return [Mapping(name, values["Rss"], values["Anonymous"]) for name, values in found]


def package_of(path: str) -> str:
    folder = path.rpartition("/site-packages/")[2].partition("/")[0]
    return _PACKAGES.get(folder, "Python, OpenSSL, SQLite, C and others")


if __name__ == "__main__":
    main()
