"""What `make test` installs on a bare machine, and what becomes of the tests where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.places import ROOT

CHECKOUT = ROOT
TOOLS = ("bash", "env", "id", "make", "sudo")
APT = """#!/bin/bash
echo "$@" >> "$0.calls"
exit {status}
"""


def machine(folder: Path, *present: str, apt_status: int = 0) -> dict[str, str]:
    """The environment of one that has these programs, and an apt that notes what it is asked for."""
    folder.mkdir()
    for name in (*TOOLS, *present):
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
        elif name in present:
            (folder / name).write_text("#!/bin/bash\n")
            (folder / name).chmod(0o755)
    if os.getuid() != 0:
        (folder / "sudo").unlink(missing_ok=True)
        (folder / "sudo").write_text('#!/bin/bash\n[ "$1" = -n ] && shift\nexec "$@"\n')
        (folder / "sudo").chmod(0o755)
    (folder / "apt-get").write_text(APT.format(status=apt_status))
    (folder / "apt-get").chmod(0o755)
    return {"PATH": str(folder)}


def make_programs(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # Without /usr/sbin, where Debian keeps the broker: this machine may have it.
    command = ["make", "--no-print-directory", "programs", "SBIN="]
    return subprocess.run(
        command, cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
@pytest.mark.parametrize(
    ("present", "installed"),
    [
        ((), "mosquitto mosquitto-clients openssl"),
        (("mosquitto", "mosquitto_passwd", "openssl"), "mosquitto-clients"),
        (("mosquitto_pub", "mosquitto_sub", "openssl"), "mosquitto"),
        (("mosquitto", "mosquitto_passwd", "mosquitto_pub", "openssl"), "mosquitto-clients"),
    ],
)
def test_what_the_tests_call_is_installed(tmp_path: Path, present: tuple[str, ...], installed: str) -> None:
    done = make_programs(machine(tmp_path / "bin", *present))
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "bin/apt-get.calls").read_text().splitlines()
    assert calls == [f"install -y -q --no-install-recommends {installed}"]


@needs_make
def test_nothing_is_installed_where_nothing_is_missing(tmp_path: Path) -> None:
    done = make_programs(machine(tmp_path / "bin", *programs.BROKER))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "bin/apt-get.calls").exists()


@needs_make
def test_the_tests_run_without_what_cannot_be_installed(tmp_path: Path) -> None:
    done = make_programs(machine(tmp_path / "bin", "openssl", apt_status=100))
    assert done.returncode == 0
    assert done.stderr.startswith(
        "mosquitto mosquitto-clients could not be installed here, so the tests that need them"
    )


@pytest.mark.parametrize("missing", programs.BROKER)
def test_a_test_skips_without_a_program_and_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    present = set(programs.BROKER) - {missing}
    monkeypatch.setattr(programs, "find_program", lambda name: name if name in present else None)
    with pytest.raises(pytest.skip.Exception) as skipped:
        programs.need(*programs.BROKER)
    package = programs.PACKAGES[missing]
    assert str(skipped.value) == f"{missing} not installed (sudo apt install {package})"
