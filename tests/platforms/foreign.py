"""maskd installed in a Debian for another processor, whose programs run here by emulation, or for this one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.system import roots
from tests.system.bundles import make_bundle

ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}
"""Debian's names of processors."""
PROCESSORS = {"cortex-a72": "0xd08", "cortex-a76": "0xd0b"}
"""Those of the Raspberry Pi 4 and 5, as QEMU calls them, with Arm's numbers for them."""
MASKD = Path("/opt/maskd/bin/maskd")
PYTHON = MASKD.with_name("python")


def why_not(machine: str) -> str | None:
    """What this machine lacks for running a Debian for that processor; None where nothing does."""
    if reason := roots.why_not(("debootstrap", "unshare")):
        return reason
    if os.uname().machine == machine:
        return None
    handlers = [path.read_text() for path in Path("/proc/sys/fs/binfmt_misc").glob(f"qemu-{machine}")]
    if not any(text.startswith("enabled") for text in handlers):
        return (
            f"this machine does not run programs for {machine}: apt-get install qemu-user-static binfmt-support; where "
            "systemd does not run, mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc, and "
            f"update-binfmts --enable qemu-{machine}"
        )
    return None


def cpuinfo(processor: str) -> str:
    """What /proc/cpuinfo says on one of PROCESSORS with two cores. LiteRT reads it: it crashes over the description of
    this machine's, and without one leaves its fast kernels, XNNPACK's, aside: the others round otherwise, on every
    processor."""
    return "".join(
        f"processor\t: {number}\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {PROCESSORS[processor]}\nCPU revision\t: 3\n\n"
        for number in range(2)
    )


class Foreign:
    """A copy of a bare Debian, with maskd installed from a bundle on entry, removed on exit."""

    def __init__(self, release: str, machine: str, folder: Path, processor: str = "") -> None:
        """`processor`: one of PROCESSORS where `machine` is emulated; it may be exchanged between commands."""
        self.machine = machine
        self.processor = processor
        self._release = release
        self._folder = folder
        self._root = folder / "root"

    def __enter__(self) -> Foreign:
        original = roots.cached_root(self._release, ARCHITECTURES[self.machine], ("python3", "python3-venv"), ())
        bundle = make_bundle(self._release, self._folder, self.machine)
        subprocess.run(["cp", "-a", "--reflink=auto", original, self._root], check=True)
        try:
            wheels = self.inside("/srv/wheels")
            shutil.copytree(bundle / "wheels", wheels)
            (maskd,) = wheels.glob("maskd-*.whl")
            (lock,) = wheels.glob("*.txt")
            self.run("python3", "-m", "venv", MASKD.parent.parent)
            # As systemd/install.sh does.
            install = (PYTHON, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", "/srv/wheels")
            self.run(
                *install, "--require-hashes", "--only-binary", ":all:", "--requirement", f"/srv/wheels/{lock.name}"
            )
            self.run(*install, f"/srv/wheels/{maskd.name}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def inside(self, path: str) -> Path:
        """Where this machine sees that path of the other."""
        return self._root / path.lstrip("/")

    def run(self, *command: str | Path, check: bool = True, timeout: float = 1800) -> str:
        """What a command prints there, run by root without a network. Fails the test where the command fails."""
        enter = 'mount -t proc proc "$0/proc" && '
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        if self.processor:
            self._describe_processor()
            enter += 'mount --bind "$0/srv/cpuinfo" "$0/proc/cpuinfo" && '
            environment["QEMU_CPU"] = self.processor
        enter += 'exec chroot "$0" "$@"'
        unshare = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", enter, str(self._root)]
        done = subprocess.run(
            [*unshare, *map(str, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} on {self.machine}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _describe_processor(self) -> None:
        cores = self.inside("/sys/devices/system/cpu")
        cores.mkdir(parents=True, exist_ok=True)
        for name in ("possible", "present"):
            (cores / name).write_text("0-1\n")
        self.inside("/srv/cpuinfo").write_text(cpuinfo(self.processor))
