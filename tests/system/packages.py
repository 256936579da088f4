"""The package that `make deb` makes, and versions of it that were never released."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.system import bundles

BUILD = bundles.CHECKOUT / "systemd/deb/build.sh"


def make_package(out: Path, architecture: str, *options: str) -> Path:
    done = subprocess.run(
        [BUILD, "--out", out, *options, architecture],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": sys.executable},
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.split()[-1])


def other_version(package: Path, version: str, out: Path, *, appended: Mapping[str, str] | None = None) -> Path:
    """A package whose maskd calls itself `version`, with code `appended` to some of its files."""
    root = out / f"{version}-root"
    subprocess.run(["dpkg-deb", "--raw-extract", package, root], check=True)
    folder = root / "usr/lib/maskd"
    changed = bundles.other_version(folder, version, out, appended=appended)
    shutil.rmtree(folder)
    changed.rename(folder)
    control = root / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    made = out / f"maskd_{version}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", root, made], check=True, capture_output=True)
    shutil.rmtree(root)
    return made
