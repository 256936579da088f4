"""What a bare Debian for the README's two commands gets from this machine; `make fresh-test` makes one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.fresh import CHECKOUT, needed_packages
from tests.system.package_access import local_folders, parse_pip_settings, pip_conf


def test_the_readme_names_what_a_machine_needs() -> None:
    packages = needed_packages((CHECKOUT / "README.md").read_text())
    assert {"git", "make", "python3-venv"} <= set(packages)
    with pytest.raises(AssertionError, match="does not say what a machine needs"):
        needed_packages("# maskd\n\n## Quick start\n\nmake\n\n## Install\n\nsudo apt install git\n")


def test_pips_settings_are_handed_on() -> None:
    listed = (
        ":env:.timeout='60'\n"
        "global.extra-index-url='file:///opt/index/simple\\nhttps://packages.example/simple'\n"
        "global.timeout='30'\n"
        "install.find-links='/opt/wheels'\n"
    )
    assert pip_conf(parse_pip_settings(listed)) == (
        "[global]\n"
        "extra-index-url = file:///opt/index/simple\n"
        "  https://packages.example/simple\n"
        "timeout = 30\n"
        "[install]\n"
        "find-links = /opt/wheels\n"
    )
    assert pip_conf(parse_pip_settings("")) == ""


def test_what_pip_reads_on_this_machine_comes_along(tmp_path: Path) -> None:
    (tmp_path / "index/simple").mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    values = [f"file://{tmp_path}/index/simple\nhttps://packages.example/simple", f"{tmp_path}/wheels", "30", "/none"]
    assert local_folders(values) == [tmp_path / "index", tmp_path / "wheels"]
