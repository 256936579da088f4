"""The Debian package, built without its wheels and looked at; tests/system installs the whole one."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import need
from tests.system.packages import BUILD, make_package

SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
LOCKS = BUILD.parent.parent.parent / "requirements"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    need("dpkg-deb")
    out = tmp_path_factory.mktemp("packages")
    return {name: make_package(out, name, "--without-wheels") for name in ("amd64", "arm64")}


@pytest.fixture(scope="module")
def unpacked(packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unpacked") / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", packages["amd64"], root], check=True)
    return root


def field(package: Path, name: str) -> str:
    told = subprocess.run(["dpkg-deb", "--field", package, name], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def test_each_processor_has_its_package(packages: dict[str, Path]) -> None:
    version = re.search(r'^version = "(.+)"$', (LOCKS.parent / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert version is not None
    for architecture, package in packages.items():
        assert package.name == f"maskd_{version[1]}_{architecture}.deb"
        assert field(package, "Architecture") == architecture
        assert field(package, "Version") == version[1]
    assert "python3-picamera2" in field(packages["arm64"], "Recommends")
    assert "python3-picamera2" not in field(packages["amd64"], "Recommends")


def test_it_asks_for_a_python_whose_wheels_it_brings(packages: dict[str, Path]) -> None:
    depends = field(packages["amd64"], "Depends")
    offered = set(re.findall(r"python=(3\.\d+)", (BUILD.parent.parent / "bundle.sh").read_text()))

    def met_by(python: str) -> bool:
        operators = {">=": "ge", "<<": "lt"}
        return all(
            any(
                subprocess.run(["dpkg", "--compare-versions", f"{python}.4-1", operators[how], bound]).returncode == 0
                for how, bound in re.findall(r"python3 \((>=|<<) ([\d.]+)\)", alternatives)
            )
            for alternatives in depends.split(",")
            if "python3 (" in alternatives
        )

    assert {f"3.{minor}" for minor in range(9, 16) if met_by(f"3.{minor}")} == offered == {"3.11", "3.13"}


def test_the_same_sources_give_the_same_package(packages: dict[str, Path], tmp_path: Path) -> None:
    again = make_package(tmp_path, "amd64", "--without-wheels")
    assert again.read_bytes() == packages["amd64"].read_bytes()


def test_everything_belongs_to_root_and_nobody_else_writes(packages: dict[str, Path]) -> None:
    listed = subprocess.run(["dpkg-deb", "--contents", packages["amd64"]], capture_output=True, text=True, check=True)
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert {line[1] for line in lines} == {"root/root"}
    assert [line for line in lines if not line[0].startswith("l") and line[0][5::3].count("w")] == []
    paths = {line[5] for line in lines}
    assert {"./usr/lib/systemd/system/maskd.service", "./usr/bin/maskd", "./usr/lib/maskd/install-broker.sh"} <= paths
    # The configuration is made where there is none, so that dpkg never asks about it; /opt/maskd is the installation's.
    assert [path for path in paths if path.startswith(("./etc", "./opt", "./var"))] == []


def test_the_scripts_need_no_other_file_of_the_package(unpacked: Path) -> None:
    for name in SCRIPTS:
        script = unpacked / "DEBIAN" / name
        assert subprocess.run(["bash", "-n", script]).returncode == 0
        assert not re.search(r"^\s*(\.|source) ", script.read_text(), flags=re.MULTILINE)
    for name in ("postinst", "postrm"):
        assert "\npurge_data() {\n" in (unpacked / "DEBIAN" / name).read_text()


def test_the_scripts_have_no_known_pitfalls(unpacked: Path) -> None:
    need("shellcheck")
    for script in (BUILD, *(BUILD.parent / name for name in SCRIPTS), *(unpacked / "DEBIAN" / n for n in SCRIPTS)):
        checked = subprocess.run(["shellcheck", "--external-sources", script], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout


def test_lintian_has_nothing_to_say(packages: dict[str, Path]) -> None:
    need("lintian")
    said = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", packages["arm64"]], capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout


def test_the_changelogs_are_there(unpacked: Path) -> None:
    documents = unpacked / "usr/share/doc/maskd"
    assert gzip.decompress((documents / "changelog.gz").read_bytes()).startswith(b"maskd (")
    assert gzip.decompress((documents / "CHANGELOG.md.gz").read_bytes()).startswith(b"# Changelog")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["mips"], "there is no architecture or option mips"), (["--out"], "--out needs a folder")],
)
def test_what_it_refuses_is_one_sentence(arguments: list[str], said: str) -> None:
    refused = subprocess.run([BUILD, *arguments], capture_output=True, text=True)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"build.sh: {said}")
