"""A Debian that runs: its own systemd as process 1, in namespaces of this machine, without a network."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

WORDS = {"LC_ALL": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


class Debian:
    """A copy of `root`, booted on entry, powered off and removed on exit."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = folder / "root"
        self._original = root
        self._log = folder / "console.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Debian:
        subprocess.run(["cp", "-a", "--reflink=auto", self._original, self.root], check=True)
        command = ["systemd-nspawn", "--quiet", f"--directory={self.root}", f"--machine=maskd-{os.getpid()}", "--boot"]
        command += ["--register=no", "--keep-unit", "--private-network", "--console=pipe", "--link-journal=no"]
        command += ["--system-call-filter=bpf"]  # what systemd inside keeps services from devices with
        # Newer versions of systemd boot with unified control groups alone, whatever this machine has.
        environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        try:
            wait_until(self._is_up, what="a Debian that has booted")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)  # systemd-nspawn asks process 1 inside to power off
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                if self._leader:
                    os.kill(self._leader, signal.SIGKILL)
                self._process.kill()
                self._process.wait(timeout=10)
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *command: str | Path, check: bool = True, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        """A command inside, by root."""
        done = subprocess.run(
            ["nsenter", f"--target={self._leader}", "--all", *map(str, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=WORDS,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def sh(self, line: str, *, check: bool = True, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        return self.run("sh", "-c", line, check=check, timeout=timeout)

    def inside(self, path: str) -> Path:
        """Where this machine sees that path of the Debian's; not for what is mounted there: /dev, /proc, /run, /tmp."""
        return self.root / path.lstrip("/")

    def unit(self, name: str, of: str = "maskd") -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", of).stdout.strip()

    def is_active(self) -> bool:
        return self.unit("ActiveState") == "active"

    def log(self, unit: str = "maskd") -> str:
        return self.run("journalctl", "--unit", unit, "--output", "cat").stdout

    def signal_maskd(self, number: signal.Signals) -> None:
        self.sh(f"kill -{number.value} {self.unit('MainPID')}")

    def messages(self, topic: str, *, count: int, timeout: int = 60, fresh: bool = True) -> list[Any]:
        """What the Debian's broker delivers, as JSON, to somebody with maskd's login; fails the test after `timeout`
        seconds. `fresh`: without what the broker keeps from before."""
        stale = "-R" if fresh else ""
        login = '-u maskd -P "$(cat /etc/credstore/maskd.mqtt-password)"'
        received = self.sh(f"mosquitto_sub {login} -t '{topic}' {stale} -C {count} -W {timeout}", timeout=timeout + 10)
        return [json.loads(line) for line in received.stdout.splitlines()]

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended with {self._process.returncode}: {self._log.read_text()}")
        self._leader = _child_of(self._process.pid)
        if not self._leader:
            return False
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in {"running", "degraded"}


def _child_of(pid: int) -> int:
    """The one process that `pid` has started; 0 while there is none."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    return int(children[0]) if children else 0
