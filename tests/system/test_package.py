"""maskd from its Debian package: what apt does with it, from the first installation to the purge."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tests.system.conftest import watch_the_clip
from tests.system.debian import Debian
from tests.system.files import difference, files
from tests.system.packages import make_package, other_version

pytestmark = pytest.mark.timeout(900)

APT = "DEBIAN_FRONTEND=noninteractive apt-get -y -q --no-install-recommends"
BROKEN = {"edge/daemon/run.py": "\nraise MaskdError('the flux capacitor is missing')\n"}


@pytest.fixture(scope="module")
def package(release: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    architecture = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return make_package(tmp_path_factory.mktemp("package"), architecture.stdout.strip())


@pytest.fixture(scope="module")
def before(debian_with_packages: Debian) -> dict[str, str]:
    """All files of the Debian before maskd."""
    return files(debian_with_packages)


def carry(debian: Debian, package: Path) -> str:
    """Brings a package to the Debian; returns its path there."""
    shutil.copy(package, debian.inside("/var/tmp"))
    return f"/var/tmp/{package.name}"


def apt_install(debian: Debian, path: str, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return debian.sh(f"{APT} {' '.join(options)} install {path}", check=check, timeout=400)


@pytest.fixture(scope="module")
def installed(debian_with_packages: Debian, before: dict[str, str], package: Path) -> Debian:
    debian = debian_with_packages
    said = apt_install(debian, carry(debian, package))
    assert "journalctl -fu maskd" in said.stdout
    assert "FAIL" not in said.stdout, said.stdout
    debian.run("/usr/lib/maskd/install-broker.sh")
    watch_the_clip(debian)
    debian.run("systemctl", "restart", "maskd")
    return debian


def invocation(debian: Debian) -> str:
    return debian.unit("InvocationID")


def version(debian: Debian) -> str:
    return debian.run("maskd", "--version").stdout.split()[-1]


def status(debian: Debian) -> str:
    return debian.sh("dpkg-query -W -f '${db:Status-Status}' maskd").stdout


def test_an_installer_beside_the_package_is_refused(
    debian_with_packages: Debian, before: dict[str, str], package: Path
) -> None:
    debian = debian_with_packages
    link = debian.inside("/usr/local/bin/maskd")
    link.symlink_to("/opt/maskd/current/bin/maskd")
    try:
        refused = apt_install(debian, carry(debian, package), check=False)
    finally:
        link.unlink()
    assert refused.returncode != 0
    assert "sudo install.sh --uninstall" in refused.stderr + refused.stdout
    assert not debian.inside("/usr/lib/maskd").exists()


def test_it_runs_and_its_events_reach_the_broker(installed: Debian) -> None:
    assert installed.is_active()
    assert installed.unit("UnitFileState") == "enabled"
    assert installed.unit("FragmentPath").endswith("/lib/systemd/system/maskd.service")
    events = installed.messages("maskd/lobby/door/event", count=3)
    assert {event["schema"] for event in events} == {"maskd.event/1"}
    owners = installed.sh("stat -c %U:%G:%a /etc/maskd/config.yaml /etc/maskd").stdout
    assert owners == "maskd:maskd:640\nroot:maskd:770\n"
    assert installed.run("dpkg", "--verify", "maskd").stdout == ""


def test_the_installer_leaves_a_package_alone(installed: Debian, bundle: Path) -> None:
    shutil.copytree(bundle, installed.inside("/var/tmp/bundle"), ignore=shutil.ignore_patterns("[!m]*.whl"))
    for options in ([], ["--uninstall", "--purge"]):
        refused = installed.run("/var/tmp/bundle/install.sh", *options, check=False)
        assert refused.returncode != 0
        assert "apt upgrades and removes it" in refused.stderr
    assert installed.is_active()


def test_an_upgrade_asks_nothing_and_keeps_the_configuration(installed: Debian, package: Path, tmp_path: Path) -> None:
    config, old = installed.inside("/etc/maskd/config.yaml").read_bytes(), version(installed)
    said = apt_install(installed, carry(installed, other_version(package, "9.0.0", tmp_path)))
    assert "onfiguration file" not in said.stdout
    assert version(installed) == "9.0.0"
    assert installed.is_active()
    assert installed.inside("/etc/maskd/config.yaml").read_bytes() == config
    kept = {path.name.split("-")[0] for path in installed.inside("/opt/maskd").iterdir() if path.name != "current"}
    assert kept == {old, "9.0.0"}
    installed.messages("maskd/lobby/door/event", count=1)


def test_a_version_that_does_not_come_up_is_taken_back_and_the_next_one_heals(
    installed: Debian, package: Path, tmp_path: Path
) -> None:
    before = version(installed)
    broken = carry(installed, other_version(package, "10.0.0", tmp_path, appended=BROKEN))
    failed = apt_install(installed, broken, check=False)
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert "the flux capacitor is missing" in said
    assert "runs again, as before" in said
    assert version(installed) == before
    assert installed.is_active()
    assert status(installed) == "half-configured"
    apt_install(installed, carry(installed, other_version(package, "11.0.0", tmp_path)))
    assert version(installed) == "11.0.0"
    assert status(installed) == "installed"


def test_another_python_gets_an_environment_of_its_own(installed: Debian) -> None:
    library = installed.sh("echo /opt/maskd/current/lib/python3.*").stdout.strip()
    touch = "dpkg-trigger --by-package=python3-minimal /usr/bin/python3 && dpkg --configure --pending"
    before = installed.run("readlink", "/opt/maskd/current").stdout
    installed.sh(touch)
    assert installed.run("readlink", "/opt/maskd/current").stdout == before, "nothing had changed"

    installed.run("mv", library, "/opt/maskd/current/lib/python3.9")
    installed.sh(touch, timeout=400)
    assert installed.run("readlink", "/opt/maskd/current").stdout != before
    assert version(installed) == "11.0.0"
    assert installed.is_active()


def test_where_starting_is_forbidden_nothing_is_started(installed: Debian, package: Path, tmp_path: Path) -> None:
    rule = installed.inside("/usr/sbin/policy-rc.d")
    rule.write_text("#!/bin/sh\nexit 101\n")
    rule.chmod(0o755)
    run = invocation(installed)
    try:
        said = apt_install(installed, carry(installed, other_version(package, "12.0.0", tmp_path)))
    finally:
        rule.unlink()
    assert "It was not started" in said.stdout
    assert version(installed) == "12.0.0"
    assert invocation(installed) == run


def test_a_service_that_was_switched_off_stays_off(installed: Debian, package: Path, tmp_path: Path) -> None:
    installed.run("systemctl", "disable", "--now", "maskd")
    apt_install(installed, carry(installed, other_version(package, "13.0.0", tmp_path)))
    assert installed.unit("ActiveState") == "inactive"
    assert installed.unit("UnitFileState") == "disabled"
    installed.run("systemctl", "enable", "--now", "maskd")
    wait_until(installed.is_active, what="maskd, switched on again")


def test_a_removal_keeps_what_is_the_owners_and_a_purge_keeps_nothing(
    installed: Debian, before: dict[str, str], package: Path
) -> None:
    config = installed.inside("/etc/maskd/config.yaml").read_bytes()
    installed.sh(f"{APT} remove maskd")
    assert installed.unit("ActiveState") == "inactive"
    assert not installed.inside("/opt/maskd").exists()
    assert installed.inside("/etc/maskd/config.yaml").read_bytes() == config
    assert installed.inside("/var/lib/maskd/seq").exists()
    assert installed.inside("/etc/credstore/maskd.mqtt-password").exists()

    installed.sh(f"{APT} purge maskd")
    assert installed.run("getent", "passwd", "maskd", check=False).returncode != 0
    left = difference(before, files(installed))
    assert [name for name in left if not name.startswith(("srv/", "var/lib/apt/"))] == []
    assert installed.unit("ActiveState", "mosquitto") == "active"


def test_a_first_installation_that_fails_leaves_a_package_that_can_be_purged(
    debian_with_packages: Debian, before: dict[str, str], package: Path, tmp_path: Path
) -> None:
    debian = debian_with_packages
    failed = apt_install(
        debian, carry(debian, other_version(package, "14.0.0", tmp_path, appended=BROKEN)), check=False
    )
    assert failed.returncode != 0
    assert "the flux capacitor is missing" in failed.stdout + failed.stderr
    assert debian.unit("ActiveState") == "inactive"
    debian.sh(f"{APT} purge maskd")
    left = difference(before, files(debian))
    assert [name for name in left if not name.startswith(("srv/", "var/lib/apt/"))] == []
