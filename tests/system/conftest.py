from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.bundles import make_bundle
from tests.system.debian import Debian
from tests.system.roots import FETCHED, cached_root, why_not


@pytest.fixture(scope="session")
def release() -> str:
    """The name of the Debian to boot."""
    name = os.environ.get("MASKD_SYSTEM_TEST")
    if not name:
        pytest.skip("boots a Debian, for minutes; make system-test RELEASE=bookworm or trixie")
    if reason := why_not():
        pytest.skip(reason)
    return name


@pytest.fixture(scope="session")
def bare_root(release: str) -> Path:
    return cached_root(release)


@pytest.fixture(scope="session")
def bundle(release: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(release, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def debian(bare_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """A bare Debian that runs, one for each module of tests."""
    with Debian(bare_root, tmp_path_factory.mktemp("debian")) as running:
        yield running


@pytest.fixture(scope="module")
def debian_with_packages(debian: Debian) -> Debian:
    """... with all that apt would be asked for."""
    debian.sh(f"DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends {' '.join(FETCHED)}")
    return debian


def carry(debian: Debian, bundle: Path) -> str:
    """Brings a bundle to the Debian; returns its folder there."""
    name = f"/root/{bundle.name}"
    shutil.copytree(bundle, debian.inside(name))
    return name


def watch_the_clip(debian: Debian) -> None:
    """A configuration as a person would write it who has no camera at hand."""
    debian.inside("/etc/maskd/config.yaml").write_text("device: lobby\ncameras:\n  door:\n    source: demo\n")
