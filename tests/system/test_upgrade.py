"""Upgrades that succeed, and those that must leave everything as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.bundles import other_version
from tests.system.conftest import carry, watch_the_clip
from tests.system.debian import Debian

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def installed(debian_with_packages: Debian, bundle: Path) -> Debian:
    debian_with_packages.run(f"{carry(debian_with_packages, bundle)}/install.sh", timeout=400)
    watch_the_clip(debian_with_packages)
    debian_with_packages.run("systemctl", "restart", "maskd")
    return debian_with_packages


def versions(debian: Debian) -> set[str]:
    return {path.name.split("-")[0] for path in debian.inside("/opt/maskd").iterdir() if path.name != "current"}


def everything(debian: Debian) -> tuple[str, ...]:
    """What an upgrade that fails must not change."""
    return (
        debian.run("maskd", "--version").stdout,
        debian.inside("/etc/maskd/config.yaml").read_text(),
        debian.inside("/etc/systemd/system/maskd.service").read_text(),
        *sorted(path.name for path in debian.inside("/opt/maskd").iterdir()),
    )


def test_an_upgrade_keeps_the_configuration_and_one_version_to_go_back_to(
    installed: Debian, bundle: Path, tmp_path: Path
) -> None:
    config = installed.inside("/etc/maskd/config.yaml").read_bytes()
    before = installed.run("maskd", "--version").stdout.split()[-1]
    for version in ("8.0.0", "9.0.0"):
        next_one = carry(installed, other_version(bundle, version, tmp_path))
        installed.run(f"{next_one}/install.sh", timeout=400)
        assert installed.run("maskd", "--version").stdout == f"maskd {version}\n"
        assert versions(installed) == {before, version}
        assert installed.is_active()
        before = version
    assert installed.inside("/etc/maskd/config.yaml").read_bytes() == config
    assert (
        installed.sh("stat -c %U:%G:%a /etc/maskd/config.yaml /etc/maskd").stdout == "maskd:maskd:640\nroot:maskd:770\n"
    )


@pytest.mark.parametrize(
    ("version", "appended", "said"),
    [
        ("10.0.0", {"edge/daemon/systemd.py": "Notifier.ready = lambda self: None"}, "failed to start within a minute"),
        (
            "11.0.0",
            {"edge/daemon/run.py": "raise MaskdError('the flux capacitor is missing')"},
            "the flux capacitor is missing",
        ),
    ],
    ids=["never ready", "ends at once"],
)
def test_a_version_that_does_not_come_up_is_taken_back(
    installed: Debian, bundle: Path, tmp_path: Path, version: str, appended: dict[str, str], said: str
) -> None:
    before = everything(installed)
    bad = {name: f"\n{code}\n" for name, code in appended.items()}
    broken = carry(installed, other_version(bundle, version, tmp_path, appended=bad))
    failed = installed.run(f"{broken}/install.sh", check=False, timeout=400)
    assert failed.returncode != 0
    assert said in failed.stderr
    assert "runs again" in failed.stderr
    assert everything(installed) == before
    assert installed.is_active()


def test_a_configuration_that_the_new_version_refuses_stops_the_upgrade_before_it_starts(
    installed: Debian, bundle: Path, tmp_path: Path
) -> None:
    config = installed.inside("/etc/maskd/config.yaml")
    good = config.read_text()
    config.write_text(good + "no_such_setting: 1\n")
    try:
        before, run = everything(installed), installed.unit("InvocationID")
        next_one = carry(installed, other_version(bundle, "12.0.0", tmp_path))
        failed = installed.run(f"{next_one}/install.sh", check=False, timeout=400)
        assert failed.returncode != 0
        assert "no_such_setting" in failed.stderr
        assert everything(installed) == before
        assert installed.unit("InvocationID") == run, "the running daemon was disturbed"
    finally:
        config.write_text(good)


def test_an_interrupted_upgrade_leaves_the_old_version(installed: Debian, bundle: Path, tmp_path: Path) -> None:
    before = everything(installed)
    next_one = carry(installed, other_version(bundle, "13.0.0", tmp_path))
    failed = installed.run("timeout", "--signal=INT", "4", f"{next_one}/install.sh", check=False, timeout=400)
    assert failed.returncode != 0
    assert everything(installed) == before
    assert installed.is_active()
