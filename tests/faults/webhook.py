"""What befalls the server that a webhook calls."""

from __future__ import annotations

import random

from tests.faults.fault import Expectations, Fault
from tests.faults.rig import Rig


class ServerAway(Fault):
    name = "webhook: away"
    lasts_long_s = (10.0, 20.0)
    expect = Expectations(log="outputs.webhook.chat: localhost")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.webhook_goes()
        _wait_for_a_failure(rig)

    def heal(self, rig: Rig) -> None:
        rig.webhook_comes()


class ServerFails(Fault):
    name = "webhook: answers with errors"
    lasts_long_s = (10.0, 20.0)
    expect = Expectations(log="outputs.webhook.chat: localhost answers")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.webhook.status = rng.choice([500, 502, 503, 429, 401, 404, 302])
        _wait_for_a_failure(rig)

    def heal(self, rig: Rig) -> None:
        rig.webhook.status = 200


class ServerSilent(Fault):
    """It takes the connection, and says nothing."""

    name = "webhook: silent"
    lasts_s = (3.0, 5.0)
    lasts_long_s = (10.0, 20.0)
    expect = Expectations(log="did not answer in time")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.webhook.hangs.set()

    def heal(self, rig: Rig) -> None:
        rig.webhook.hangs.clear()


class AnswersLost(Fault):
    """It has taken the action, and the device does not hear of it: the action comes again under the same key."""

    name = "webhook: answers lost"
    expect = Expectations(log="ended the connection")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.webhook.loses_answers = True
        _wait_for_a_failure(rig)

    def heal(self, rig: Rig) -> None:
        rig.webhook.loses_answers = False


def _wait_for_a_failure(rig: Rig) -> None:
    length = len(rig.daemon.log)
    rig.wait_until(
        lambda: any("outputs.webhook.chat" in line for line in rig.daemon.log[length:]), what="a failure", timeout=30
    )
