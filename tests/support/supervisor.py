"""What systemd is to a service that it starts: a socket on which it is told of states."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.support.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Told:
    at: float
    """Monotonic seconds."""
    state: str


class Supervisor:
    """Listens while it is entered; `environment` is for the service."""

    def __init__(self, folder: Path | None = None, *, watchdog_s: float | None = None) -> None:
        """`folder`: where the socket lies; None: it is in the abstract namespace."""
        name = secrets.token_hex(8)
        self.address = f"@maskd-{name}" if folder is None else str(folder / name)
        self.environment = {"NOTIFY_SOCKET": self.address}
        if watchdog_s is not None:
            self.environment["WATCHDOG_USEC"] = str(round(watchdog_s * 1_000_000))
        self.told: list[Told] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Supervisor:
        self._socket.bind(self.address.replace("@", "\0", 1) if self.address.startswith("@") else self.address)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()
        if not self.address.startswith("@"):
            Path(self.address).unlink()

    def of(self, *names: str) -> list[Told]:
        """All of these states so far."""
        return [told for told in self.told.copy() if told.state.partition("=")[0] in names]

    def states(self, *names: str) -> list[str]:
        return [told.state.partition("\n")[0] for told in self.of(*names)]

    def wait_for(self, states: Sequence[str], timeout: float = 60.0) -> None:
        """Until exactly these, of all states of these names, were told in this order."""
        names = {state.partition("=")[0] for state in states}
        wait_until(lambda: len(self.of(*names)) >= len(states), timeout=timeout, what=f"{states}, not {self.told}")
        assert self.states(*names) == list(states)

    def status(self) -> str:
        """The latest line."""
        lines = self.of("STATUS")
        return lines[-1].state.partition("=")[2] if lines else ""

    def _listen(self) -> None:
        while state := self._socket.recv(4096):
            self.told.append(Told(time.monotonic(), state.decode()))
