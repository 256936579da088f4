"""The folder that `make bundle` makes, and versions of it that were never released."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent.parent


def make_bundle(release: str, out: Path, machine: str = "") -> Path:
    """`machine`: the processor that it is for, such as `aarch64`; this machine's where it is not told."""
    done = subprocess.run(
        [CHECKOUT / "systemd/bundle.sh", release, machine or os.uname().machine, out],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": sys.executable},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.split()[-1])


def other_version(bundle: Path, version: str, out: Path, *, appended: Mapping[str, str] | None = None) -> Path:
    """A copy of the bundle whose maskd calls itself `version`, with code `appended` to some of its files."""
    copy = out / version
    shutil.copytree(bundle, copy)
    (wheel,) = copy.glob("wheels/maskd-*.whl")
    before = wheel.name.split("-")[1]
    with (
        zipfile.ZipFile(wheel) as old,
        zipfile.ZipFile(wheel.with_name(wheel.name.replace(before, version)), "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name.endswith(("/METADATA", "/RECORD")):
                for mark in ("Version: {}", "maskd-{}.dist-info"):
                    data = data.replace(mark.format(before).encode(), mark.format(version).encode())
            data += (appended or {}).get(name, "").encode()
            new.writestr(name.replace(f"maskd-{before}.dist-info", f"maskd-{version}.dist-info"), data)
    wheel.unlink()
    return copy
