"""Bare Debians, made once and kept outside the repository."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

BARE = ("systemd", "systemd-sysv", "dbus")
FETCHED = ("python3", "python3-venv", "mosquitto", "mosquitto-clients")
"""What the installer asks apt for: fetched beforehand, since a machine under test has no network."""


def why_not(programs: Sequence[str] = ("debootstrap", "systemd-nspawn", "nsenter")) -> str | None:
    """What this machine lacks for making another system, and running it inside; None where nothing does."""
    if os.geteuid() != 0:
        return "only root may make and run a Debian"
    if missing := [name for name in programs if shutil.which(name) is None]:
        return f"{', '.join(missing)} is missing here; apt-get install debootstrap systemd-container util-linux"
    unshared = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, text=True
    )
    if unshared.returncode != 0:
        return f"this machine allows no namespaces: {unshared.stderr.strip()}"
    return None


def cached_root(
    release: str, architecture: str = "", include: Sequence[str] = BARE, fetch: Sequence[str] = FETCHED
) -> Path:
    """The folder of a bare Debian of that name, and of that architecture, such as `arm64`, where one is given; with the
    packages `include` installed, and those of `fetch` in its apt cache. To be copied, never changed. Takes a minute and
    the network the first time, longer where the processor is emulated. Raises RuntimeError with the tools' output."""
    content = hashlib.sha256(" ".join((*include, *fetch)).encode()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "/var/tmp") / "maskd-system-test"
    cache.mkdir(parents=True, exist_ok=True)
    name = f"{release}-{architecture}" if architecture else release
    root = cache / f"{name}-{content}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            making = root.with_name(root.name + ".making")
            shutil.rmtree(making, ignore_errors=True)
            _make(making, release, architecture, include, fetch)
            making.rename(root)
    return root


def _make(root: Path, release: str, architecture: str, include: Sequence[str], fetch: Sequence[str]) -> None:
    options = ["--variant=minbase", f"--include={','.join(include)}"]
    options += [f"--arch={architecture}"] if architecture else []
    _run("debootstrap", *options, release, str(root), *_mirror())
    # A person's own machine knows its own name; debootstrap writes no such file.
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    if not fetch:
        return
    copy_apt_settings(root)
    names = {path: path.read_bytes() for path in (root / "etc/resolv.conf",) if path.exists()}
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    _run("chroot", str(root), "apt-get", "update", "-q")
    _run("chroot", str(root), "apt-get", "install", "-y", "-q", "--no-install-recommends", "--download-only", *fetch)
    for path, content in names.items():
        path.write_bytes(content)


def copy_apt_settings(root: Path) -> None:
    """How this machine reaches its packages is how the Debian in that folder does."""
    acquire = [line for line in _run("apt-config", "dump").splitlines() if line.startswith("Acquire::")]
    (root / "etc/apt/apt.conf.d/99host").write_text("\n".join(acquire) + "\n")


def _mirror() -> list[str]:
    """Where this machine gets Debian from; nothing, which is the tool's own choice, where it does not tell."""
    found = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian")
    return found.split()[:1]


def _run(*command: str) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout
