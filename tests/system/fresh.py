"""The README's two commands in a bare Debian, with only what the README says a machine needs: `make fresh-test`.

An ordinary user runs `make demo`, root runs the quick part of `make test`, in a checkout below /root. It ends with
status 0 where both pass, with 1 where one fails, and with 0 and a sentence where this machine cannot make or enter a
Debian.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.system import roots
from tests.system.package_access import PackageAccess

CHECKOUT = Path(__file__).parent.parent.parent
USER = "ada"
DEMO_S = 900
TEST_S = 2400
"""The longest that each may take, its downloads included."""


class FreshDebian:
    """A copy of a bare Debian, in which commands run with this machine's network; removed on exit."""

    def __init__(self, original: Path, folder: Path, access: PackageAccess) -> None:
        self.root = folder / "root"
        self._original = original
        self._access = access

    def __enter__(self) -> FreshDebian:
        subprocess.run(["cp", "-a", "--reflink=auto", self._original, self.root], check=True)
        self._access.write_into(self.root)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *command: str, user: str = "root", folder: str = "/", timeout: float = 60) -> tuple[int, str]:
        """The exit status, and what it printed, which goes to this program's output too."""
        enter = ["systemd-nspawn", "--quiet", f"--directory={self.root}", f"--machine=fresh-{os.getpid()}"]
        enter += ["--register=no", "--keep-unit", "--console=pipe", "--as-pid2", "--link-journal=no"]
        enter += [f"--bind-ro={path}" for path in self._access.folders]
        enter += [f"--setenv={name}={value}" for name, value in self._access.environment.items()]
        enter += ["--setenv=LC_ALL=C.UTF-8", f"--user={user}", f"--chdir={folder}"]
        bounded = ["timeout", "--signal=INT", "--kill-after=60", str(timeout), *command]
        printed = []
        with subprocess.Popen(
            [*enter, *bounded], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                printed.append(line)
        return process.returncode, "".join(printed)

    def copy_checkout(self, folder: str, user: str) -> None:
        destination = self.root / folder.lstrip("/")
        for name in checkout_files():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, destination / name)
        status, _ = self.run("chown", "-R", f"{user}:", folder)
        assert status == 0, f"{folder} could not be given to {user}"


def checkout_files() -> list[str]:
    """What git tracks here, and what it would if it were added. Raises RuntimeError where git does not tell."""
    command = ["git", "-c", f"safe.directory={CHECKOUT}", "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if listed.returncode != 0:
        raise RuntimeError(f"git does not tell what belongs to {CHECKOUT}: {listed.stderr.strip()}")
    return [name for name in listed.stdout.split("\0") if name and (CHECKOUT / name).exists()]


def needed_packages(readme: str) -> list[str]:
    """What the README has a reader install with apt before the two commands of its quick start."""
    section = readme.partition("## Quick start")[2].partition("\n## ")[0]
    found = re.search(r"sudo apt install ([a-z0-9 .+-]+)", section)
    assert found is not None, "README.md does not say what a machine needs"
    return found[1].split()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.system.fresh", description=__doc__)
    parser.add_argument("release", nargs="?", default="trixie", help="of Debian (trixie)")
    release = parser.parse_args(argv).release
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maskd-fresh-")))
        try:
            debian = stack.enter_context(_bare_debian(release, folder))
        except RuntimeError as error:
            print(f"The README's two commands were not tried in a bare Debian: {error}")
            return 0
        return 0 if all([_demo(debian), _quick_tests(debian)]) else 1


def _bare_debian(release: str, folder: Path) -> FreshDebian:
    """Raises RuntimeError with the reason where this machine cannot make one, or run commands in it."""
    if reason := roots.why_not(("debootstrap", "systemd-nspawn", "git")):
        raise RuntimeError(reason)
    checkout_files()
    began = time.monotonic()
    packages = needed_packages((CHECKOUT / "README.md").read_text())
    original = roots.cached_root(release, include=packages, fetch=())
    debian = FreshDebian(original, folder, PackageAccess.of_this_machine())
    with ExitStack() as stack:
        stack.enter_context(debian)
        status, printed = debian.run("useradd", "--create-home", "--shell", "/bin/bash", USER)
        if status != 0:
            raise RuntimeError(f"systemd-nspawn ended with status {status}: {printed.strip()}")
        stack.pop_all()
    _tell(f"a bare Debian {release} with {', '.join(packages)}", began)
    return debian


def _demo(debian: FreshDebian) -> bool:
    began = time.monotonic()
    folder = f"/home/{USER}/maskd"
    debian.copy_checkout(folder, USER)
    status, printed = debian.run("make", "demo", user=USER, folder=folder, timeout=DEMO_S)
    shows_events = all(re.search(rf" {kind} .*_mask", printed) for kind in ("started", "ended"))
    passed = status == 0 and shows_events and "without a gap" in printed
    _tell(f"make demo {'passed' if passed else f'FAILED with status {status}'}", began)
    return passed


def _quick_tests(debian: FreshDebian) -> bool:
    began = time.monotonic()
    folder = "/root/maskd"
    debian.copy_checkout(folder, "root")
    status, _ = debian.run("make", "test", "QUICK=1", folder=folder, timeout=TEST_S)
    _tell(f"make test QUICK=1 {'passed' if status == 0 else f'FAILED with status {status}'}", began)
    return status == 0


def _tell(what: str, began: float) -> None:
    print(f"== {what}, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
