"""What can be said of the service and its installer without installing: how closed the unit is, and that the scripts
answer for what they refuse. tests/system boots a Debian and installs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tests.support.programs import need

SYSTEMD = ROOT / "systemd"
UNIT = SYSTEMD / "maskd.service"
DROP_INS = [SYSTEMD / "maskd-sound.conf", SYSTEMD / "maskd-gpio.conf"]
WORST_EXPOSURE = 15
"""In tenths, on the scale of `systemd-analyze security`, where 0 is closed and 100 is open."""


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    need("systemd-analyze")
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"}, timeout=60
    )


def test_the_unit_is_closed(tmp_path: Path) -> None:
    rated = systemd_analyze("security", "--offline=true", f"--threshold={WORST_EXPOSURE}", UNIT)
    assert rated.returncode == 0, rated.stdout + rated.stderr

    open_unit = tmp_path / "maskd.service"
    open_unit.write_text(re.sub(r"^SystemCallFilter=.*\n", "", UNIT.read_text(), flags=re.MULTILINE))
    rated = systemd_analyze("security", "--offline=true", f"--threshold={WORST_EXPOSURE}", open_unit)
    assert rated.returncode != 0, "the threshold does not tell an open unit from a closed one"


@pytest.mark.parametrize("drop_ins", [DROP_INS[:1], DROP_INS[1:], DROP_INS], ids=["sound", "gpio", "both"])
def test_a_drop_in_opens_its_devices_and_nothing_else(tmp_path: Path, drop_ins: list[Path]) -> None:
    unit = shutil.copy(UNIT, tmp_path)
    closed = systemd_analyze("security", "--offline=true", unit).stdout
    (tmp_path / "maskd.service.d").mkdir()
    for drop_in in drop_ins:
        shutil.copy(drop_in, tmp_path / "maskd.service.d")
    rated = systemd_analyze("security", "--offline=true", f"--threshold={WORST_EXPOSURE}", unit)
    assert rated.returncode == 0, rated.stdout + rated.stderr

    def settings(table: str) -> dict[str, str]:
        return dict(re.findall(r"^(?:\W )?(\S+?=\S*)\s+(.+?)\s*[\d.]*$", table, flags=re.MULTILINE))

    before, after = settings(closed), settings(rated.stdout)
    assert {name for name in after if after[name] != before[name]} == {"SupplementaryGroups=", "DeviceAllow="}


def test_what_stays_open_is_explained() -> None:
    rated = systemd_analyze("security", "--offline=true", UNIT).stdout
    open_ones = {
        name
        for name in re.findall(r"^✗ (\S+?)=", rated, flags=re.MULTILINE)
        # Neither is a setting that maskd could close: the first would need an image of its own.
        if name not in {"RootDirectory", "DeviceAllow", "RestrictAddressFamilies"}
    } | set(re.findall(r"^✗ RestrictAddressFamilies=~\W*(AF_\w+)", rated, flags=re.MULTILINE))
    explained = "\n".join(line for line in UNIT.read_text().splitlines() if line.startswith("#"))
    assert open_ones
    assert [name for name in sorted(open_ones) if name not in explained] == []


def test_systemd_understands_the_unit() -> None:
    said = systemd_analyze("verify", "--man=no", UNIT)
    # Known from systemd 254 on; and maskd is not installed where the tests run.
    expected = (
        r"Unknown key (name )?'Restart(Steps|MaxDelaySec)'|Command /opt/maskd/current/bin/maskd is not executable"
    )
    unexpected = [line for line in said.stderr.splitlines() if "maskd" in line and not re.search(expected, line)]
    assert unexpected == []


def install_sh(*arguments: str, as_nobody: bool = False) -> subprocess.CompletedProcess[str]:
    return script("install.sh", *arguments, as_nobody=as_nobody)


def script(name: str, *arguments: str, as_nobody: bool = False) -> subprocess.CompletedProcess[str]:
    """Only what it answers before it touches anything."""
    command = [str(SYSTEMD / name), *arguments]
    if as_nobody and os.geteuid() == 0:
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if subprocess.run([*nobody, "test", "-r", command[0]]).returncode != 0:
            pytest.skip("only root can read this checkout")
        command = nobody + command
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("script", sorted(SYSTEMD.glob("*.sh")), ids=lambda path: path.name)
def test_the_scripts_have_no_known_pitfalls(script: Path) -> None:
    need("shellcheck")
    checked = subprocess.run(["shellcheck", "--external-sources", script], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout
    assert os.access(script, os.X_OK) == script.read_text().startswith("#!")


def test_help_names_every_option() -> None:
    said = install_sh("--help")
    assert said.returncode == 0
    known = set(re.findall(r"^ +(?:-h \| )?(--[a-z-]+)\)", (SYSTEMD / "install.sh").read_text(), flags=re.MULTILINE))
    assert {"--wheels", "--with-broker", "--uninstall", "--purge", "--version"} <= known
    assert sorted(known - set(re.findall(r"--[a-z-]+", said.stdout))) == []


def test_it_tells_the_version_that_it_would_install(tmp_path: Path) -> None:
    checkout = re.search(r'^version = "(.+)"$', (SYSTEMD.parent / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert checkout is not None
    assert install_sh("--version").stdout.strip() == checkout[1]
    for version in ("1.9.0", "1.10.0"):
        (tmp_path / f"maskd-{version}-py3-none-any.whl").touch()
    assert install_sh("--version", "--wheels", str(tmp_path)).stdout.strip() == "1.10.0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--colour"], "there is no option --colour; --help lists them"),
        (["--wheels"], "--wheels needs the folder"),
        (["--purge"], "--purge works only with --uninstall"),
        (["--uninstall", "--with-broker"], "--with-broker works only with an installation"),
        (["--uninstall", "--with-gpio"], "--with-gpio works only with an installation"),
        (["--uninstall", "--system-opencv"], "--system-opencv works only with an installation"),
        (["--version", "--wheels", "/nonexistent"], "there is no maskd-*.whl in /nonexistent"),
        ([], "this needs root; run: sudo "),
    ],
)
def test_what_it_refuses_is_one_sentence(arguments: list[str], said: str) -> None:
    refused = install_sh(*arguments, as_nobody=True)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"install.sh: {said}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name what to allow: sudo "),
        (["usb"], "there is no usb; usage: sudo "),
        (["gpio"], "this needs root; run: sudo "),
    ],
)
def test_what_the_script_for_devices_refuses_is_one_sentence(arguments: list[str], said: str) -> None:
    refused = script("allow-devices.sh", *arguments, as_nobody=True)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"allow-devices.sh: {said}")


def test_unit_and_installer_mean_the_same_places() -> None:
    unit, installer = UNIT.read_text(), (SYSTEMD / "installation.sh").read_text()
    broker = (SYSTEMD / "install-broker.sh").read_text()
    assert "ExecStart=/opt/maskd/current/bin/maskd run -c /etc/maskd/config.yaml" in unit
    assert "readonly base=/opt/maskd\nreadonly current=$base/current\n" in installer
    assert "readonly config=/etc/maskd/config.yaml" in installer
    for credential in re.findall(r"^LoadCredential=(.+)$", unit, flags=re.MULTILINE):
        assert f"LoadCredential={credential}" in installer
        name = credential.split(":")[1]
        assert f"$credentials/{name}" in (installer if name == "maskd.mail-password" else broker)


def test_nothing_builds_a_wheel_with_what_is_not_locked() -> None:
    for script in (*SYSTEMD.glob("*.sh"), *SYSTEMD.glob("deb/*")):
        for line in script.read_text(encoding="utf-8").splitlines():
            is_build = re.search(r"(?:-m pip|pip\[@\]}\"?) (?:\S+ )*wheel\b", line) is not None
            assert not is_build or "--no-build-isolation" in line, f"{script.name}: {line}"


def test_what_builds_the_wheel_is_refused_where_it_is_another(tmp_path: Path) -> None:
    """A hatchling of the right version, put in place of the locked one by whoever answers for the package index."""
    index = tmp_path / "index"
    index.mkdir()
    for name, version in re.findall(
        r"^([a-z-]+)==([0-9.]+)", (SYSTEMD.parent / "requirements/build.txt").read_text(), re.MULTILINE
    ):
        package = name.replace("-", "_")
        with zipfile.ZipFile(index / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
            info = f"{package}-{version}.dist-info"
            wheel.writestr(f"{package}/__init__.py", f"open({str(tmp_path / 'ran')!r}, 'w')\n")
            wheel.writestr(f"{package}/build.py", "")
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
    built = tmp_path / "built"
    done = subprocess.run(
        [SYSTEMD / "build-wheel.sh", built],
        env={**os.environ, "PYTHON": sys.executable, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert "HASH" in done.stderr.upper()
    assert not built.exists()
    assert not (tmp_path / "ran").exists()
