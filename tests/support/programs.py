"""Programs that tests start and pip does not bring: `make test` installs the broker's, the rest may be missing."""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = {
    "mosquitto": "mosquitto",
    "mosquitto_passwd": "mosquitto",
    "mosquitto_pub": "mosquitto-clients",
    "mosquitto_sub": "mosquitto-clients",
    "openssl": "openssl",
    "dpkg-deb": "dpkg",
    "lintian": "lintian",
    "shellcheck": "shellcheck",
    "systemd-analyze": "systemd",
}
"""Debian's packages of them."""
BROKER = ("mosquitto", "mosquitto_passwd", "mosquitto_pub", "mosquitto_sub", "openssl")


def find_program(name: str) -> str | None:
    """Debian keeps some in /usr/sbin, which is not on everyone's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def need(*names: str) -> None:
    """Skips the test if one of them is not installed."""
    if missing := [name for name in names if find_program(name) is None]:
        packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
        pytest.skip(f"{', '.join(missing)} not installed (sudo apt install {packages})")
