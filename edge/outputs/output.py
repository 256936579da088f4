"""What every output is."""

from __future__ import annotations

from edge.payloads.action import Action
from edge.system.part import Part


class Output(Part):
    """Acts in a thread of its own; nothing here may wait for what it acts through."""

    doing = "an output"
    stop_s = 0.3
    keeps = False
    """True: actions come through the queue on the disk, and none is lost. False: an action that cannot be carried out
    at once is over."""

    def act(self, action: Action, age_s: float) -> None:
        """From the rules' thread; of an output that does not keep. `age_s`: seconds since the occasion was there."""

    def follow(self, rules: frozenset[str]) -> None:
        """From the rules' thread, whenever it changes: those of the rules that use this output whose occasion is there
        right now."""

    def wake(self) -> None:
        """From the rules' thread: actions wait in the queue for an output that keeps."""

    def withhold(self, withholds: bool) -> None:
        """With True, nothing leaves through this output from the return of this call on, until it is called with
        False: privacy is aggregate."""

    def try_out(self) -> str:
        """For `maskd check`: what was found to work, in a few words, without any person noticing, where that can be.
        Raises MaskdError with what is wrong and what to do."""
        raise NotImplementedError
