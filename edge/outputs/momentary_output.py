"""An output that acts now or not at all: nobody wants to hear of a person who has left."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge.outputs.output import Output
from edge.payloads.action import Action
from edge.system.deadline import Deadline
from edge.system.part import PartStatus
from edge.system.worker import Worker

MOST_AGE_S = 2.0
"""Actions older than this are ignored."""
IDLE_S = 5.0

_log = logging.getLogger(__name__)


class MomentaryOutput(Output):
    """The thread `output-<name>`."""

    def __init__(self, setting: str, *, on_failure: Callable[[BaseException], None]) -> None:
        """`setting`: where it is in config.yaml, such as outputs.gpio.lamp."""
        self.setting = setting
        self.name = setting.rpartition(".")[2]
        self.doing = f"the output {self.name}"
        self.ignored = 0
        """Actions that came too late, since the start."""
        self._withholds = False
        self._problem: str | None = None
        self._worker = Worker(f"output-{self.name}", self.work, on_failure=on_failure)

    def take(self, action: Action) -> None:
        """From the rules' thread: notes what is to be done, and returns at once. The thread is woken afterwards."""

    def work(self, now: float) -> float:
        """One step of the thread; returns for how many seconds it may rest."""
        raise NotImplementedError

    def start(self) -> None:
        self._worker.start()

    def stop(self, deadline: Deadline) -> None:
        self._worker.stop(deadline)

    def act(self, action: Action, age_s: float) -> None:
        if self._withholds:
            return
        if action.recovered or age_s > MOST_AGE_S:
            self.ignored += 1
            why = "is of before a restart" if action.recovered else f"comes {age_s:.1f} s late"
            _log.debug(
                "%s: ignores an action of rule %s that %s, %d so far", self.setting, action.rule, why, self.ignored
            )
            return
        self.take(action)
        self._worker.wake()

    def status(self) -> PartStatus:
        return PartStatus([] if self._problem is None else [f"{self.setting}: {self._problem}"])

    def fails(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("%s: %s", self.setting, problem)
        self._problem = problem

    def works(self) -> None:
        if self._problem is not None:
            _log.info("%s: works again", self.setting)
        self._problem = None
