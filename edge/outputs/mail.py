"""Sends mail: a message for each action, or one for what happens in some minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from edge.config.mail_output import MailSettings
from edge.errors import MaskdError
from edge.outputs.action_queue import ActionQueue
from edge.outputs.keeping_output import KeepingOutput, NotDeliveredError
from edge.outputs.mail_message import message_id, message_of
from edge.outputs.queue_file import Waiting
from edge.outputs.smtp import LOGIN_RETRY_S, MailSession, Outcome
from edge.payloads.action import Action
from edge.payloads.payload import parse_timestamp
from edge.system.part import PartStatus

DIGEST_LIMIT = 1000
"""Actions in one message at most."""
TRIAL_S = 15.0
PATIENCE_S = 3600.0
"""For a recipient whom the server puts off while it takes the message for others."""


class Mail(KeepingOutput):
    longest_pause_s = LOGIN_RETRY_S

    def __init__(
        self,
        setting: str,
        settings: MailSettings,
        queue: ActionQueue,
        *,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        super().__init__(setting, queue, on_failure=on_failure)
        self._settings = settings
        self.batch = 1 if settings.digest_min is None else DIGEST_LIMIT
        self._session: MailSession | None = None
        """Open while messages follow each other."""
        self._first: tuple[UUID, float] | None = None
        """The oldest action that waits, and since when it has been seen to wait, in monotonic seconds."""
        self._tried: frozenset[UUID] = frozenset()
        """Actions of the message that was tried last."""
        self._message_id = ""
        self._reached: set[str] = set()
        """Recipients for whom the server has taken that message."""
        self._left_out: Mapping[str, str] = {}
        """Recipients whom the server refuses; what it said. Replaced as a whole."""
        self._postponed_since: dict[str, float] = {}

    def wait_s(self) -> float:
        if self._settings.digest_min is None or self._queue.depth(self.name) >= DIGEST_LIMIT:
            return 0.0
        oldest = self._queue.waiting(self.name, 1)
        if not oldest:
            return 0.0
        first, length_s = oldest[0].action, 60 * self._settings.digest_min
        if self._first is None or self._first[0] != first.id:
            self._first = first.id, time.monotonic()
        # By the clock, so that a restart does not begin anew; a clock that was set back does not make it longer.
        by_clock = parse_timestamp(first.time) + length_s - time.time()
        return min(by_clock, self._first[1] + length_s - time.monotonic())

    def together(self, waiting: Sequence[Waiting]) -> Sequence[Waiting]:
        """Those of one rule; what was tried before stays the same message."""
        if not waiting:
            return waiting
        same = [one for one in waiting if one.action.rule == waiting[0].action.rule]
        if waiting[0].action.id in self._tried:
            same = [one for one in same if one.action.id in self._tried]
        self._tried = frozenset(one.action.id for one in same)
        return same

    def deliver(self, actions: Sequence[Action]) -> None:
        sender = self._settings.sender
        if (id_ := message_id(actions, sender)) != self._message_id:
            self._message_id, self._reached = id_, set()
        recipients = [one for one in self._settings.recipients if one not in self._reached]
        message = message_of(actions, self._settings, datetime.now().astimezone()).as_bytes()
        try:
            with self.within(self._settings.timeout_s):
                outcome = self._open_session().send(sender, recipients, message)
        except NotDeliveredError:
            self._close_session()
            raise
        self._judge(outcome, time.monotonic())

    def rest(self) -> None:
        self._close_session()

    def hurry(self) -> None:
        if (session := self._session) is not None:
            session.interrupt()

    def status(self) -> PartStatus:
        left_out = [
            f"{self.setting}: {recipient} gets no mail, because {self._settings.host} refuses it: {reason}; correct "
            "recipients"
            for recipient, reason in self._left_out.items()
        ]
        return PartStatus([*super().status().problems, *left_out])

    def try_out(self) -> str:
        settings = self._settings
        session = MailSession(settings, self.setting, min(settings.timeout_s, TRIAL_S))
        try:
            session.open()
            outcome = session.try_out(settings.sender, settings.recipients)
        except NotDeliveredError as error:
            raise MaskdError(f"{self.setting}: {error}") from None
        finally:
            session.close()
        if outcome.refused or outcome.postponed:
            recipient, reason = next(iter({**outcome.postponed, **outcome.refused}.items()))
            raise MaskdError(
                f"{self.setting}: {settings.host} takes no mail for {recipient}: {reason}; correct recipients"
            )
        login = "" if settings.username is None else "the login and "
        return f"{settings.host} accepts {login}{_count(settings.recipients)}; nothing was sent"

    def _open_session(self) -> MailSession:
        if self._session is not None and not self._session.is_alive:
            self._close_session()
        if self._session is None:
            self._session = MailSession(self._settings, self.setting, self._settings.timeout_s)
            self._session.open()
        return self._session

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _judge(self, outcome: Outcome, now: float) -> None:
        """Raises NotDeliveredError where the message is not done with."""
        host = self._settings.host
        self._reached.update(outcome.accepted)
        if not self._reached and not outcome.postponed:
            recipient, reason = next(iter(outcome.refused.items()))
            raise NotDeliveredError(
                f"{host} takes no mail for {recipient}: {reason}; correct recipients", is_final=True
            )
        self._left_out = {k: v for k, v in self._left_out.items() if k not in outcome.accepted} | {**outcome.refused}
        self._postponed_since = {one: self._postponed_since.get(one, now) for one in outcome.postponed}
        for recipient, reason in outcome.postponed.items():
            if not self._reached or now - self._postponed_since[recipient] < PATIENCE_S:
                raise NotDeliveredError(f"{host} does not take mail for {recipient} yet: {reason}")
            self._left_out = {**self._left_out, recipient: reason}


def _count(recipients: Sequence[str]) -> str:
    return recipients[0] if len(recipients) == 1 else f"all {len(recipients)} recipients"
