"""The package for 64-bit boards, installed where this machine emulates their processor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.platforms import foreign
from tests.system import roots
from tests.system.files import difference, files_below
from tests.system.packages import make_package

# Each program of an emulated system takes some ten times as long.
pytestmark = pytest.mark.timeout(2400)

AARCH64 = 183
"""ELF's number of the processor."""


class Unpacked(foreign.Foreign):
    """... with no maskd yet."""

    def __enter__(self) -> Unpacked:
        original = roots.cached_root(self._release, "arm64", ("python3", "python3-venv"), ())
        subprocess.run(["cp", "-a", "--reflink=auto", original, self._root], check=True)
        return self


def test_it_is_installed_without_a_network_and_leaves_nothing(release: str, tmp_path: Path) -> None:
    if reason := foreign.why_not("aarch64"):
        pytest.skip(reason)
    package = make_package(tmp_path, "arm64")
    wheels = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    assert "_x86_64.whl" not in wheels
    with Unpacked(release, "aarch64", tmp_path) as debian:
        before = files_below(debian.inside("/"))
        package.rename(debian.inside("/var/tmp/maskd.deb"))
        said = debian.run("dpkg", "--install", "/var/tmp/maskd.deb")
        assert "It was not started" in said, "systemd does not run there"
        assert debian.run("maskd", "--version").startswith("maskd ")
        assert "cameras:" in debian.run("maskd", "config", "show", "-c", "/etc/maskd/config.yaml")
        libraries = list(debian.inside("/opt/maskd").rglob("cv2/*.so"))
        assert {int.from_bytes(library.read_bytes()[18:20], sys.byteorder) for library in libraries} == {AARCH64}
        debian.run("dpkg", "--purge", "maskd")
        assert difference(before, files_below(debian.inside("/"))) == []
