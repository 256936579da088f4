"""A maskd in a container, as docs/container.md runs it: read-only, not root, without capabilities."""

from __future__ import annotations

import subprocess
from pathlib import Path

HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges")
HERE = ("--network", "host", "--no-healthcheck", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
"""For the test: its broker is on loopback, the health check runs when the test asks (podman leaves that to systemd),
and the limits are such that podman may set them without CAP_SYS_RESOURCE."""
RUNTIMES = ((), ("--runtime", "runc"))
"""Debian's crun refuses a machine with both kinds of control groups; runc takes it."""
STOP_S = 10
"""docker's and podman's own limit, then they kill."""


def podman_that_runs(image: str) -> tuple[list[str] | None, str]:
    """How podman is called here, or None, and what it said."""
    said = ""
    for runtime in RUNTIMES:
        command = ["podman", *runtime]
        done = subprocess.run([*command, "run", "--rm", *HERE, image, "--version"], capture_output=True, text=True)
        if done.returncode == 0:
            return command, ""
        said = done.stderr.strip()
    return None, said


class Container:
    """One container; `volume` outlives it, `config` is mounted read-only."""

    def __init__(self, podman: list[str], image: str, name: str, config: Path, volume: str) -> None:
        self._podman = podman
        self._image = image
        self.name = name
        self._mounts = ["-v", f"{config}:/etc/maskd/config.yaml:ro", "-v", f"{volume}:/var/lib/maskd"]

    def start(self) -> None:
        self._call("run", "--detach", "--name", self.name, *HARDENED, *HERE, *self._mounts, self._image)

    def once(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Another container, with the same files, for one command of maskd."""
        return self._call("run", "--rm", *HARDENED, *HERE, *self._mounts, self._image, *words, check=False)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command inside, by the container's user."""
        return self._call("exec", self.name, *command, check=False)

    def run_as_root(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self._call("exec", "--user", "0", self.name, *command, check=False)

    def signal(self, name: str) -> None:
        self._call("kill", "--signal", name, self.name)

    def stop(self) -> int:
        """As `docker stop` does; returns the exit status, which is 137 where maskd had to be killed."""
        self._call("stop", "--time", str(STOP_S), self.name)
        return int(self._call("inspect", "--format", "{{.State.ExitCode}}", self.name).stdout)

    def wait(self) -> int:
        """Until it ends by itself; its exit status."""
        return int(self._call("wait", self.name).stdout)

    def logs(self) -> str:
        done = self._call("logs", self.name, check=False)
        return done.stdout + done.stderr

    def remove(self) -> None:
        self._call("rm", "--force", "--ignore", "--time", "0", self.name, check=False)

    def remove_volume(self, volume: str) -> None:
        self._call("volume", "rm", "--force", volume, check=False)

    def _call(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [*self._podman, *words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done
