"""The real daemon as a benchmark needs it: without a broker, on the demo's clip or another source."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from edge.web.logins import FILE_NAME, Logins, write_logins
from edge.web.passwords import new_token, token_hash
from tests.support.mosquitto import HOST


@contextmanager
def daemon(folder: Path, sources: Mapping[str, Path], **sections: Any) -> Iterator[subprocess.Popen[bytes]]:
    """`sources`: a video for each camera, which is played in a loop; `sections`: of config.yaml."""
    values = {
        "device": "bench",
        "cameras": {name: {"source": str(path), "loop": True} for name, path in sources.items()},
        "mqtt": {"enabled": False},
        "storage": {"path": str(folder / "storage")},
        **sections,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    command = [sys.executable, "-m", "edge.cli", "run", "-c", str(folder / "config.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def add_login(folder: Path) -> str:
    """Of a program at the page of a daemon that has not started in this folder yet; returns its token."""
    token = new_token()
    write_logins(folder / "storage" / FILE_NAME, Logins(tokens={"bench": token_hash(token)}))
    return token


def judged(folder: Path) -> dict[str, int]:
    """Pictures that vision has taken so far, by camera."""
    command = [sys.executable, "-m", "edge.cli", "status", "--json", "-c", str(folder / "config.yaml")]
    answer = subprocess.run(command, capture_output=True, check=True).stdout
    return {name: camera["frames"] - camera["dropped"] for name, camera in json.loads(answer)["cameras"].items()}


def metrics(port: int, token: str) -> dict[str, float]:
    """What the page's /metrics says, by name with labels."""
    request = urllib.request.Request(f"http://{HOST}:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def taken(values: Mapping[str, float], camera: str) -> float:
    """Pictures that vision has taken so far, as `metrics` says."""
    return (
        values[f'maskd_frames_total{{camera="{camera}"}}'] - values[f'maskd_frames_dropped_total{{camera="{camera}"}}']
    )
