"""Every lock is whole: hashes for all, no host, and what pyproject.toml and the constraints ask for."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from requirements.audit import Findings, verdict
from requirements.lock import BUILD, FOLDER, GLIBC, MACHINES, lock_lines, locked_versions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHECKOUT = Path(__file__).parent.parent.parent
TARGETS = [(python, machine) for python in GLIBC for machine in MACHINES]
LOCK = re.compile(
    r"#[^\n]*\n([a-z0-9-]+==[0-9][0-9a-z.]*( ; [a-z_]+ < '3\.\d+')?( \\\n    --hash=sha256:[0-9a-f]{64})+\n)+"
)


def problems(lock: Path, python: str, machine: str) -> list[str]:
    """What is wrong with the lock of a target; nothing where all is well."""
    # The form has no room for an address, an option, or a package without a hash.
    found = [] if LOCK.fullmatch(lock.read_text()) else ["it is not of the form of a lock"]
    locked = dict(line.split("==") for line in locked_versions(lock))
    target = {"python_version": python, "platform_machine": machine, "sys_platform": "linux"}
    for line in tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(target):
            version = locked.get(canonicalize_name(requirement.name))
            if version is None or version not in requirement.specifier:
                found.append(f"pyproject.toml has {line}, and {version} is locked")
    constraints = [line for line in (FOLDER / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    for constraint in map(Requirement, constraints):
        assert constraint.marker is not None
        version = locked.get(constraint.name)
        if constraint.marker.evaluate(target) and version is not None and version not in constraint.specifier:
            found.append(f"constraints.txt has {constraint}, and {version} is locked")
    return found


@pytest.mark.parametrize(("python", "machine"), TARGETS)
def test_the_lock_of(python: str, machine: str) -> None:
    assert problems(FOLDER / f"python{python}-{machine}.txt", python, machine) == []


def test_there_are_no_locks_but_those_of_the_targets() -> None:
    expected = {f"python{python}-{machine}.txt" for python, machine in TARGETS}
    assert {path.name for path in FOLDER.glob("*.txt")} == expected | {"constraints.txt", "build.txt"}


def test_what_the_wheel_is_built_with_is_locked() -> None:
    assert LOCK.fullmatch(BUILD.read_text())
    locked = dict(line.split("==") for line in locked_versions(BUILD))
    for line in tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["build-system"]["requires"]:
        requirement = Requirement(line)
        assert locked[canonicalize_name(requirement.name)] in requirement.specifier
    # What hatchling itself asks for; tomli is in the standard library from Python 3.11 on.
    assert {"packaging", "pathspec", "pluggy", "tomli", "trove-classifiers"} <= set(locked)


def test_every_supported_python_has_its_locks() -> None:
    supported = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["requires-python"]
    pythons = {f"3.{minor}" for minor in range(30) if f"3.{minor}.0" in Requirement(f"python{supported}").specifier}
    assert set(GLIBC) == pythons


@pytest.mark.parametrize(
    ("pattern", "replacement", "problem"),
    [
        (r"(numpy==\S+)( \\\n *--hash=\S+)+", r"\1", "form"),
        (r"^numpy", "--index-url https://packages.example/simple\nnumpy", "form"),
        (r"numpy==\S+", "numpy @ https://packages.example/numpy.whl", "form"),
        (r"sha256", "md5", "form"),
        (r"paho-mqtt==\S+", "paho-mqtt==1.6.1", r"paho-mqtt>=2.2, and 1.6.1 is locked"),
        (r"pyyaml==.+(\n +--hash.+)+\n", "", r"pyyaml>=6.0, and None is locked"),
        (r"numpy==\S+", "numpy==2.2.6", "numpy<2.*, and 2.2.6 is locked"),
        (r"opencv-python-headless==\S+", "opencv-python-headless==5.0.0.93", "opencv.*<4.12.* 5.0.0.93 is locked"),
    ],
)
def test_a_lock_that_is_not_whole_is_noticed(tmp_path: Path, pattern: str, replacement: str, problem: str) -> None:
    text = (FOLDER / "python3.11-aarch64.txt").read_text()
    broken = tmp_path / "lock.txt"
    broken.write_text(re.sub(pattern, replacement, text, flags=re.MULTILINE))
    assert broken.read_text() != text
    assert re.search(problem, "\n".join(problems(broken, "3.11", "aarch64")))


def test_what_is_locked_is_what_was_resolved(tmp_path: Path) -> None:
    wheels = [{"name": f"six-1-{tag}.whl", "hashes": {"sha256": digit * 64}} for tag, digit in (("b", "f"), ("a", "0"))]
    lock = tmp_path / "lock.txt"
    lock.write_text("".join(lock_lines("3.11", "aarch64", [{"name": "six", "version": "1.17.0", "wheels": wheels}])))
    assert LOCK.fullmatch(lock.read_text())
    assert lock.read_text().index("0" * 64) < lock.read_text().index("f" * 64)
    assert locked_versions(lock) == ["six==1.17.0"]


def findings(*dependencies: dict[str, Any]) -> Findings:
    told = Findings()
    told.add(dependencies)
    return told


CLEAN: dict[str, Any] = {"name": "six", "version": "1.17.0", "vulns": []}
FLAWED = {"name": "pyyaml", "version": "5.3", "vulns": [{"id": "PYSEC-2021-142", "fix_versions": ["5.4"]}]}
SILENT = {"name": "numpy", "skip_reason": "Dependency not found on PyPI"}


def test_an_audit_without_a_finding_is_an_all_clear() -> None:
    assert verdict({"pypi": findings(CLEAN)}) == (0, ["Nothing is known against the 1 locked packages."])


def test_the_second_service_is_enough() -> None:
    assert verdict({"pypi": findings(CLEAN, SILENT), "osv": findings(CLEAN)})[0] == 0


def test_a_flaw_is_told_with_the_version_without_it() -> None:
    status, said = verdict({"pypi": findings(CLEAN, SILENT, FLAWED)})
    assert status == 1
    assert said[0] == "pyyaml 5.3: PYSEC-2021-142 (mended in 5.4)"


@pytest.mark.parametrize("told", [findings(), findings(SILENT), findings(CLEAN, SILENT)])
def test_silence_is_no_all_clear(told: Findings) -> None:
    status, said = verdict({"pypi": told})
    assert status == 2
    assert said[-1].startswith("This is no all-clear")
