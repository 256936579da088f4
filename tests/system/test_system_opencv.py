"""The installer's --system-opencv, for pipelines that pip's OpenCV cannot read: a Jetson's cameras above all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tests.system.conftest import carry
from tests.system.debian import Debian
from tests.system.roots import FETCHED, cached_root

pytestmark = pytest.mark.timeout(1800)

GSTREAMER = ("python3-opencv", "gstreamer1.0-plugins-base")
SOURCE = "gst: videotestsrc is-live=true ! video/x-raw, width=640, height=480, framerate=10/1"


@pytest.fixture(scope="module")
def installed(release: str, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    root = cached_root(release, fetch=(*FETCHED, *GSTREAMER))
    with Debian(root, tmp_path_factory.mktemp("gstreamer")) as debian:
        debian.sh(f"DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends {GSTREAMER[1]}")
        debian.run(f"{carry(debian, bundle)}/install.sh", "--system-opencv", timeout=600)
        yield debian


def opencv_comes_from(debian: Debian) -> str:
    return debian.run("/opt/maskd/current/bin/python", "-c", "import cv2; print(cv2.__file__)").stdout


def test_a_pipeline_gives_pictures_to_the_service(installed: Debian) -> None:
    assert opencv_comes_from(installed).startswith("/usr/lib/python3/")
    installed.inside("/etc/maskd/config.yaml").write_text(
        f"device: lobby\nmqtt: {{enabled: false}}\ncameras: {{door: {{source: '{SOURCE}'}}}}\n"
    )
    installed.run("systemctl", "restart", "maskd")
    wait_until(lambda: installed.unit("StatusText").startswith("door 1"), "pictures")
    told = json.loads(installed.run("maskd", "check", "--json", "-c", "/etc/maskd/config.yaml", check=False).stdout)
    rows = {row["what"]: row for row in told["checks"]}
    assert rows["opencv"]["figures"]["GStreamer"] is True
    assert rows["camera door"]["result"] == "ok", rows["camera door"]


def test_an_upgrade_keeps_to_it(installed: Debian, bundle: Path) -> None:
    before = installed.run("readlink", "/opt/maskd/current").stdout
    installed.run(f"/root/{bundle.name}/install.sh", timeout=600)
    assert installed.run("readlink", "/opt/maskd/current").stdout != before
    assert opencv_comes_from(installed).startswith("/usr/lib/python3/")
    wait_until(lambda: installed.unit("StatusText").startswith("door 1"), "pictures")
