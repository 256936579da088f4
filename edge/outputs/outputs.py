"""All outputs, as one part of the daemon: a changed one is made again, the others go on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edge.config import Config, Settings
from edge.config.gpio_output import GpioSettings
from edge.config.mail_output import MailSettings
from edge.config.mqtt_output import MqttOutputSettings
from edge.config.outputs import WebhookSettings
from edge.config.sound_output import SoundSettings
from edge.mqtt.awaited import AwaitedPublisher
from edge.outputs.action_queue import ActionQueue
from edge.outputs.output import Output
from edge.payloads.action import Action
from edge.system.deadline import Deadline
from edge.system.part import Part, PartStatus

_STOP_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What outputs are made with."""

    queue: ActionQueue
    publisher: AwaitedPublisher
    """At the broker of the section mqtt."""
    on_failure: Callable[[BaseException], None]
    """Hears of the error that ended the thread of one of them."""


class Outputs(Part):
    """What they do is decided by `edge.outputs.rules.Rules`."""

    stop_s = 0.6

    def __init__(self, config: Config, means: Means) -> None:
        # The outputs themselves are waited for within limits; a disk may hold the queue for ever.
        self.doing = f"the disk of {means.queue.folder}"
        self._means = means
        self._queue = means.queue
        self._settings: dict[tuple[str, str], Settings] = {}
        self._outputs: dict[str, Output] = {}
        """Replaced as a whole, and never changed: other threads walk it."""
        self._withholds = config.privacy == "aggregate"
        self._active: Mapping[str, frozenset[str]] = {}
        """What tell_active() has told last."""
        self._telling = threading.Lock()
        self._is_started = False

    def apply(self, config: Config) -> None:
        """Where `config` says aggregate, nothing leaves through an output any more once this returns."""
        self._withholds = config.privacy == "aggregate"
        wanted = {(kind, name): settings for kind, name, settings in config.outputs.named()}
        outputs = {name: self._outputs[name] for key in wanted if (name := key[1]) in self._outputs}
        for (kind, name), settings in wanted.items():
            if self._settings.get((kind, name)) == settings:
                continue
            if (old := self._outputs.get(name)) is not None:
                old.stop(Deadline(_STOP_S))
            outputs[name] = new = self._make(kind, name, settings)
            new.withhold(self._withholds)
            if self._is_started:
                new.start()
        gone = [output for name, output in self._outputs.items() if name not in outputs]
        self._outputs, self._settings = outputs, wanted
        for output in gone:
            output.stop(Deadline(_STOP_S))
        for output in outputs.values():
            output.withhold(self._withholds)
        self._tell()
        if self._is_started:
            self._queue.keep_only(outputs)

    def start(self) -> None:
        """After the store has taken the folder."""
        self._queue.open()
        self._queue.keep_only(self._outputs)
        self._is_started = True
        for output in self._outputs.values():
            output.start()

    def tick(self, now: float) -> None:
        for output in self._outputs.values():
            output.tick(now)

    def stop(self, deadline: Deadline) -> None:
        for output in self._outputs.values():
            output.stop(deadline.within(_STOP_S))
        self._queue.close()

    def status(self) -> PartStatus:
        outputs = self._outputs
        problems = [problem for output in outputs.values() for problem in output.status().problems]
        if self._queue.problem is not None:
            problems.append(self._queue.problem)
        if self._queue.lost:
            problems.append(
                "actions of rules were dropped since maskd started, because too many waited for an output; see what "
                "keeps it from working"
            )
        if not outputs:
            return PartStatus(problems)
        waiting = {name: self._queue.depth(name) for name, output in outputs.items() if output.keeps}
        return PartStatus(problems, {"actions": {"waiting": waiting, "dropped": self._queue.lost}})

    def act(self, actions: Sequence[tuple[str, Action]], age_s: float) -> None:
        """From the rules' thread, of outputs that do not keep; each with its output's name."""
        for name, action in actions:
            if (output := self._outputs.get(name)) is not None and not self._withholds:
                output.act(action, age_s)

    def wake(self, names: Sequence[str]) -> None:
        """From the rules' thread: actions were added for these."""
        for name in names:
            if (output := self._outputs.get(name)) is not None:
                output.wake()

    def tell_active(self, rules: Mapping[str, frozenset[str]]) -> None:
        """From the rules' thread, whenever it changes: by the name of an output, those of its rules whose occasion is
        there right now."""
        self._active = rules
        self._tell()

    def keeps(self, name: str) -> bool:
        output = self._outputs.get(name)
        return output is not None and output.keeps

    def _tell(self) -> None:
        with self._telling:
            active = {} if self._withholds else self._active
            for name, output in self._outputs.items():
                output.follow(active.get(name, frozenset()))

    def _make(self, kind: str, name: str, settings: Settings) -> Output:
        return make_output(f"outputs.{kind}.{name}", settings, self._means)


def make_output(setting: str, settings: Settings, means: Means) -> Output:
    """`setting`: where it is in config.yaml, such as outputs.webhook.chat. Imports the kinds that are in use alone, for
    all of them take a thirtieth of the start."""
    queue, on_failure = means.queue, means.on_failure
    match settings:
        case WebhookSettings():
            from edge.outputs.webhook import Webhook

            return Webhook(setting, settings, queue, on_failure=on_failure)
        case GpioSettings():
            from edge.outputs.gpio import Gpio

            return Gpio(setting, settings, on_failure=on_failure)
        case MailSettings():
            from edge.outputs.mail import Mail

            return Mail(setting, settings, queue, on_failure=on_failure)
        case MqttOutputSettings():
            from edge.outputs.mqtt import MqttOutput

            return MqttOutput(setting, settings, queue, means.publisher, on_failure=on_failure)
        case SoundSettings():
            from edge.outputs.sound import Sound

            return Sound(setting, settings, on_failure=on_failure)
    raise TypeError(setting)
