"""What is broken around the daemon: broker, network, cameras, clock; and the daemon's process itself."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable

from tests.faults.fault import Expectations, Fault
from tests.faults.proxy import BOTH_WAYS, Conditions, Direction
from tests.faults.rig import Rig

HOUR_S, YEAR_S = 3600.0, 365 * 86400.0


class DaemonKilled(Fault):
    name = "daemon: kill -9"
    expect = Expectations(says_offline=True, reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.daemon.kill()
        if rng.random() < 0.3:  # again, while it starts and cleans up
            rig.daemon.start()
            rig.pause(rng.uniform(0.1, 3.0))
            rig.daemon.kill()

    def heal(self, rig: Rig) -> None:
        rig.daemon.start()


class DaemonStopped(Fault):
    name = "daemon: SIGTERM"
    expect = Expectations(says_offline=True, reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.daemon.stop()

    def heal(self, rig: Rig) -> None:
        rig.daemon.start()


class DaemonFrozen(Fault):
    name = "daemon: frozen"
    lasts_long_s = (9.0, 15.0)  # the keep-alive is 5 s

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.daemon.send(signal.SIGSTOP)

    def heal(self, rig: Rig) -> None:
        rig.daemon.send(signal.SIGCONT)


class BrokerKilled(Fault):
    name = "broker: killed"
    lasts_long_s = (10.0, 30.0)
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.proxy.shut_gate()
        rig.broker.kill()

    def heal(self, rig: Rig) -> None:
        rig.broker_comes_for_all(rig.broker.start)


class BrokerRestarted(Fault):
    """It keeps its sessions and their queues, so the daemon may be back before the subscriber is."""

    name = "broker: restarted"
    lasts_long_s = (10.0, 30.0)
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.broker.stop()

    def heal(self, rig: Rig) -> None:
        rig.broker.start()


class BrokerForgets(Fault):
    name = "broker: restarted with empty memory"
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.proxy.shut_gate()
        rig.broker.stop()
        (rig.broker.folder / "mosquitto.db").unlink(missing_ok=True)

    def heal(self, rig: Rig) -> None:
        rig.broker_comes_for_all(rig.broker.start)


class BrokerFrozen(Fault):
    name = "broker: frozen"
    lasts_long_s = (9.0, 20.0)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.broker.freeze()

    def heal(self, rig: Rig) -> None:
        rig.broker.thaw()


class Network(Fault):
    """What the proxy does to the connection."""

    def __init__(
        self,
        name: str,
        conditions: Callable[[random.Random], Conditions],
        *,
        long_s: float = 20.0,
        reconnects: bool = False,
    ) -> None:
        self.name = f"network: {name}"
        self.expect = Expectations(reconnects=reconnects)
        self.lasts_long_s = (9.0, long_s)
        self._conditions = conditions

    def inject(self, rig: Rig, rng: random.Random) -> None:
        conditions = self._conditions(rng)
        rig.note(str(conditions))
        rig.proxy.apply(conditions)

    def heal(self, rig: Rig) -> None:
        rig.proxy.apply(Conditions())


class AnswersLost(Fault):
    """The broker takes everything, and the daemon never hears of it: the classic reason for a repeat."""

    name = "network: acknowledgements lost, then cut"
    expect = Expectations(reconnects=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.proxy.apply(Conditions(swallowed=frozenset({Direction.TO_DAEMON})))

    def heal(self, rig: Rig) -> None:
        rig.proxy.reset()
        rig.proxy.apply(Conditions())


class ClockStepped(Fault):
    """Forward or back, and right again at the end, as by a time server."""

    name = "clock stepped"
    expect = Expectations(clock_goes_back=True)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        seconds = rng.choice([-1, 1]) * rng.choice([1.5, 90.0, HOUR_S, 30 * HOUR_S, YEAR_S, 10 * YEAR_S])
        rig.note(f"the clock is stepped by {seconds:g} s")
        rig.step_clock(seconds)

    def heal(self, rig: Rig) -> None:
        rig.step_clock(0.0)


class CameraGone(Fault):
    name = "camera: gone"
    lasts_long_s = (6.0, 15.0)
    expect = Expectations(log="trying again until it comes back")

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.camera_goes()

    def heal(self, rig: Rig) -> None:
        rig.camera_comes()


class CameraSilent(Fault):
    """Connected, without pictures."""

    name = "camera: silent"
    lasts_long_s = (6.0, 15.0)

    def inject(self, rig: Rig, rng: random.Random) -> None:
        rig.silence_camera(True)

    def heal(self, rig: Rig) -> None:
        rig.silence_camera(False)


def cut() -> Fault:
    return Network("cut", lambda _: Conditions(listening=False), reconnects=True)


def slow(rng: random.Random) -> Conditions:
    if rng.random() < 0.5:
        return Conditions(delay_s=rng.uniform(0.1, 2.0))
    return Conditions(bytes_per_s=rng.uniform(200, 3000))


def cutting(rng: random.Random) -> Conditions:
    ways = rng.choice([[Direction.TO_BROKER], [Direction.TO_DAEMON], [*Direction]])
    longest = {Direction.TO_BROKER: 4000, Direction.TO_DAEMON: 60}
    return Conditions(cut_after={way: rng.randrange(longest[way]) for way in ways})


def held(rng: random.Random) -> Conditions:
    return Conditions(held=rng.choice([BOTH_WAYS, BOTH_WAYS, *(frozenset({way}) for way in Direction)]))
