"""The container's image, built without a registry: on a Debian that debootstrap has made."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.platforms import foreign
from tests.system import roots
from tests.system.bundles import CHECKOUT
from tests.system.package_access import CERTIFICATES, PackageAccess

BUILD_SH = CHECKOUT / "systemd/container/build.sh"
BUILD_S = 3600
"""An emulated processor takes half an hour."""
PROCESSOR = "cortex-a72"
"""Which one is emulated for another architecture: on QEMU's own choice, the models find faces where there are none."""
CERTIFICATES_INSIDE = "/etc/ssl/this-machine.crt"
NEEDED = ("debootstrap", "unshare", "podman", "tar")


def why_not() -> str | None:
    """What this machine lacks for building and running the image; None where nothing does."""
    if (reason := roots.why_not(NEEDED)) is not None:
        return f"{reason} podman crun" if "podman" in reason else reason
    return None


def base_image(release: str = "trixie", architecture: str = "") -> str:
    """The name of an image of a bare Debian. Raises RuntimeError with the tools' output."""
    root = roots.cached_root(release, architecture, include=("base-files",), fetch=())
    # The last stage of the Containerfile begins from nothing, so that this is not in the image.
    emulated = ("--change", f"ENV QEMU_CPU={PROCESSOR}") if _is_emulated(architecture) else ()
    name = f"localhost/maskd-base-{root.name}{'-emulated' if emulated else ''}"
    if subprocess.run(["podman", "image", "exists", name]).returncode != 0:
        archive = root.with_suffix(".tar")
        # As Debian's own image: without what apt has fetched, and without documentation.
        paths = ("var/cache/apt/*", "var/lib/apt/lists/*", "usr/share/doc/*", "usr/share/locale/*", "usr/share/man/*")
        try:
            run("tar", "-C", str(root), *(f"--exclude=./{path}" for path in paths), "-cf", str(archive), ".")
            run("podman", "import", "--quiet", *_for(architecture), *emulated, str(archive), name)
        finally:
            archive.unlink(missing_ok=True)
    return name


def build(tag: str, architecture: str = "") -> None:
    """Builds the image with podman, by this machine's way to packages. Raises RuntimeError with its output."""
    with tempfile.TemporaryDirectory() as scratch:
        options = [option for mount in _mounts(Path(scratch)) for option in ("--volume", mount)]
        # Its own namespaces are more than a machine without unified control groups lets podman have for a build.
        options += ["--isolation", "chroot", "--network", "host", "--tag", tag, *_for(architecture)]
        options += ["--build-arg", f"BASE={base_image(architecture=architecture)}"]
        emulation = _describe_processor(Path(scratch)) if _is_emulated(architecture) else []
        run(*emulation, str(BUILD_SH), *options, BUILDER="podman")


def size_mb(tag: str) -> float:
    """Unpacked."""
    return int(run("podman", "image", "inspect", "--format", "{{.Size}}", tag)) / 1e6


def run(*command: str, **environment: str) -> str:
    """What a command prints. Raises RuntimeError with its output where it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        env={**os.environ, **environment},
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def _for(architecture: str) -> list[str]:
    return ["--arch", architecture] if architecture else []


def _is_emulated(architecture: str) -> bool:
    return architecture not in ("", foreign.ARCHITECTURES.get(os.uname().machine))


def _describe_processor(scratch: Path) -> list[str]:
    """The beginning of a command for which, and for what it builds, this machine's processor is the emulated one."""
    described = scratch / "cpuinfo"
    described.write_text(foreign.cpuinfo(PROCESSOR))
    mount = 'mount --make-rprivate / && mount --bind "$0" /proc/cpuinfo && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, str(described)]


def _mounts(scratch: Path) -> list[str]:
    """How pip and apt reach packages here, for the time of the build."""
    access = PackageAccess.of_this_machine()
    pip, apt = scratch / "pip.conf", scratch / "etc/apt/apt.conf.d/99host"
    apt.parent.mkdir(parents=True)
    roots.copy_apt_settings(scratch)
    pip.write_text(access.pip)
    mounts = [f"{path}:{path}:ro" for path in access.folders if path != CERTIFICATES]
    mounts += [f"{pip}:/etc/pip.conf:ro", f"{apt}:/etc/apt/apt.conf.d/{apt.name}:ro"]
    if CERTIFICATES.exists():
        # Elsewhere than there, where the package ca-certificates puts a file of its own.
        mounts.append(f"{CERTIFICATES}:{CERTIFICATES_INSIDE}:ro")
        for file in (pip, apt):
            file.write_text(file.read_text().replace(str(CERTIFICATES), CERTIFICATES_INSIDE))
    return mounts


def main() -> None:
    architecture = sys.argv[1] if sys.argv[1:] else ""
    if reason := why_not():
        sys.exit(f"The image cannot be built here without a registry: {reason}")
    tag = f"maskd:{architecture}" if architecture else "maskd"
    build(tag, architecture)
    print(f"{tag}: {size_mb(tag):.0f} MB")


if __name__ == "__main__":
    main()
