"""Writes requirements/python3.*-*.txt, what maskd runs with on each target, and build.txt, what its wheel is built
with: `make lock`.

Each file names every package in one version, with the SHA-256 of the wheels that fit the target and of nothing else:
pip refuses whatever differs, and never builds from source. No file names a package index, which is the installing
machine's own choice.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent
BUILD = FOLDER / "build.txt"
BUILD_HEADING = "# What maskd's wheel is built with, under every supported Python; `make lock` writes it.\n"
MACHINES = ("x86_64", "aarch64")
# With the C library that a system with this Python has at least: Ubuntu 22.04, Bookworm, Ubuntu 24.04, Trixie.
GLIBC = {"3.10": "2_35", "3.11": "2_36", "3.12": "2_39", "3.13": "2_40"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Lock what maskd runs with, for each target.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions, not those locked before")
    upgrade = parser.parse_args().upgrade
    for python in GLIBC:
        for machine in MACHINES:
            path = FOLDER / f"python{python}-{machine}.txt"
            keep = locked_versions(path) if path.exists() and not upgrade else []
            path.write_text("".join(lock_lines(python, machine, resolve(python, machine, keep))))
            have_pip_agree(path, python, machine)
            print(path)
    keep = locked_versions(BUILD) if BUILD.exists() and not upgrade else []
    BUILD.write_text("".join([BUILD_HEADING, *package_lines(resolve_build(keep))]))
    print(BUILD)


def locked_versions(path: Path) -> list[str]:
    """The lines `name==version` of a lock."""
    return [line.split()[0].rstrip(";") for line in path.read_text().splitlines() if "==" in line]


def resolve(python: str, machine: str, keep: list[str]) -> list[dict[str, Any]]:
    """The packages of a target with their wheels, as pylock.toml has them. What is in `keep` stays in its version where
    the requirements allow it. Ends the program where uv finds no solution."""
    command = ["uv", "pip", "compile", "pyproject.toml", "--constraint", "requirements/constraints.txt", "--quiet"]
    command += ["--python-version", python, "--python-platform", f"{machine}-manylinux_{GLIBC[python]}"]
    command += ["--only-binary", ":all:", "--format", "pylock.toml"]
    if keep:
        before = FOLDER / "before.in"
        before.write_text("\n".join(keep) + "\n")
        try:
            done = _run([*command, "--constraint", "requirements/before.in"])
        finally:
            before.unlink()
        if done.returncode == 0:
            return _packages(done.stdout)
        # What is required has moved past what was locked.
    done = _run(command)
    if done.returncode != 0:
        sys.exit(f"lock.py: no versions fit Python {python} on {machine} together:\n{done.stderr}")
    return _packages(done.stdout)


def resolve_build(keep: list[str]) -> list[dict[str, Any]]:
    """The packages that build maskd's wheel, for every supported Python; those in `keep` stay in their version where
    that is possible. All of them are pure Python, so the wheels fit every target."""
    wanted = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["build-system"]["requires"]
    oldest = next(iter(GLIBC))
    command = ["uv", "pip", "compile", "-", "--quiet", "--python-version", oldest, "--only-binary", ":all:"]
    command += ["--format", "pylock.toml"]
    for requirements in ([*wanted, *keep], wanted):
        done = _run(command, stdin="\n".join(requirements))
        if done.returncode == 0:
            return _packages(done.stdout)
    sys.exit(f"lock.py: what builds the wheel does not fit together:\n{done.stderr}")


def lock_lines(python: str, machine: str, packages: list[dict[str, Any]]) -> Iterator[str]:
    yield f"# What maskd runs with under Python {python} on {machine}; `make lock` writes it.\n"
    yield from package_lines(packages)


def package_lines(packages: list[dict[str, Any]]) -> Iterator[str]:
    for package in packages:
        hashes = sorted(wheel["hashes"]["sha256"] for wheel in package["wheels"])
        yield f"{package['name']}=={package['version']}"
        if marker := package.get("marker"):
            # pylock.toml and pip have the same language for it.
            yield f" ; {marker}"
        yield from (f" \\\n    --hash=sha256:{digest}" for digest in hashes)
        yield "\n"


def have_pip_agree(lock: Path, python: str, machine: str) -> None:
    """Ends the program where pip would not install by the lock: uv judges some packages otherwise."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python-version", python, "--platform", f"manylinux2014_{machine}"]
    for minor in range(17, int(GLIBC[python].partition("_")[2]) + 1):
        command += ["--platform", f"manylinux_2_{minor}_{machine}"]
    with tempfile.TemporaryDirectory() as folder:
        done = _run([*command, "--dest", folder, "--requirement", str(lock)])
    if done.returncode != 0:
        sys.exit(f"lock.py: pip would not install by {lock}; a line in constraints.txt may help:\n{done.stderr}")


def _packages(pylock: str) -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = tomllib.loads(pylock)["packages"]
    return packages


def _run(command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, input=stdin)


if __name__ == "__main__":
    main()
