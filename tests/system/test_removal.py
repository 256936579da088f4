"""What is left on a machine afterwards: nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.bundles import other_version
from tests.system.conftest import carry
from tests.system.debian import Debian
from tests.system.files import difference, files

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def carried(debian_with_packages: Debian, bundle: Path) -> str:
    """The bundle's folder there."""
    return carry(debian_with_packages, bundle)


def test_a_first_installation_that_fails_leaves_nothing(
    debian_with_packages: Debian, bundle: Path, tmp_path: Path
) -> None:
    debian = debian_with_packages
    before = files(debian)
    appended = {"edge/daemon/run.py": "\nraise MaskdError('the flux capacitor is missing')\n"}
    broken = carry(debian, other_version(bundle, "0.0.1", tmp_path, appended=appended))
    failed = debian.run(f"{broken}/install.sh", check=False, timeout=400)
    assert failed.returncode != 0
    assert "the flux capacitor is missing" in failed.stderr
    assert "nothing was installed" in failed.stderr
    assert difference(before, files(debian)) == []


def test_uninstall_keeps_what_is_the_owners_and_purge_keeps_nothing(debian_with_packages: Debian, carried: str) -> None:
    debian = debian_with_packages
    before = files(debian)

    debian.run(f"{carried}/install.sh", "--with-broker", timeout=400)
    login = debian.sh("cat /etc/credstore/maskd.mqtt-password").stdout
    config = debian.inside("/etc/maskd/config.yaml")
    config.write_text(config.read_text().replace("device: null", "device: lobby"))
    debian.run(f"{carried}/install.sh", "--uninstall")
    assert debian.unit("LoadState") == "not-found"
    assert not debian.inside("/opt/maskd").exists()
    assert not debian.inside("/usr/local/bin/maskd").is_symlink()
    assert "device: lobby" in config.read_text()
    assert debian.inside("/var/lib/maskd/seq").exists()

    debian.run(f"{carried}/install.sh", "--with-broker", timeout=400)
    assert "device: lobby" in config.read_text()
    assert debian.sh("cat /etc/credstore/maskd.mqtt-password").stdout == login
    debian.run(f"{carried}/install.sh", "--uninstall", "--purge")
    assert debian.run("getent", "passwd", "maskd", check=False).returncode != 0
    assert difference(before, files(debian)) == []
    assert debian.unit("ActiveState", "mosquitto") == "active"

    again = debian.run(f"{carried}/install.sh", "--uninstall", "--purge")
    assert again.returncode == 0
    assert difference(before, files(debian)) == []


def test_a_broker_of_somebody_elses_is_left_alone(debian_with_packages: Debian, carried: str) -> None:
    debian = debian_with_packages
    own = debian.inside("/etc/mosquitto/conf.d/own.conf")
    own.write_text("listener 1884\nallow_anonymous true\n")
    refused = debian.run(f"{carried}/install.sh", "--with-broker", check=False, timeout=400)
    assert refused.returncode != 0
    assert "/etc/mosquitto/conf.d/own.conf" in refused.stderr
    assert not debian.inside("/etc/mosquitto/conf.d/maskd.conf").exists()
    assert debian.is_active(), "maskd itself is installed all the same"
