"""The composition root: the only place that wires the parts of the daemon together."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from contextlib import ExitStack, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path

from edge.accelerator import Accelerator
from edge.config import Config
from edge.config.live import settings_awaiting_restart, without_awaiting_restart
from edge.config.overrides import Layers, Overrides
from edge.config.settable import Settable
from edge.deadline import Deadline
from edge.errors import MaskdError
from edge.logs import configure_logging, hide_secrets, write_waiting_lines
from edge.messaging.announcer import Announcer
from edge.messaging.commands import Commands, commands_enabled
from edge.messaging.event_writer import EventWriter
from edge.messaging.mqtt import MqttClient
from edge.messaging.outbox import Outbox
from edge.messaging.outbox_recovery import OpeningStoppedError
from edge.messaging.publisher import Publisher
from edge.messaging.record import Record
from edge.messaging.sender import Sender
from edge.payloads.events import ModelNames
from edge.people.scene import Scene
from edge.reload import ReloadNews, read_again
from edge.running_cameras import RunningCameras, require_a_camera
from edge.signals import HangupSignal, StopSignals
from edge.state_files import require_own_files
from edge.status_line import StatusLine
from edge.status_report import StatusReport
from edge.stop_guard import StopGuard
from edge.systemd import Notifier
from edge.vision.build import build_vision
from edge.vision.pipeline import Vision
from edge.vision.thresholds import effective_setting
from edge.watcher import Watcher

FLUSH_S = 1.5
"""For the broker to acknowledge what is left, on a stop."""
VISION_STOP_S = 2.5
"""For the picture that is worked on, and for a slow disk to take what happened on it."""
PART_STOP_S = 0.5
"""For any other part."""
GOODBYE_S = 1.0
"""Of a stop, this is kept for the broker to hear `offline`."""
CLOSE_S = 0.5
"""Of a stop, this is kept for the outbox to close its files."""
LOADING_S = 300.0
"""For libraries and models on a slow board, where systemd's limit for a start is shorter."""
OUTBOX_S = 900.0
"""For an outbox of a million events on an SD card that is damaged, and built again."""
RELOAD_GAP_S = 0.2
"""Between two reloads, so that commands have their turn however often a reload is asked for."""
LOOK_S = 0.5
"""The main thread wakes at least so often: a signal that comes in the moment before it goes to sleep is handled only
once it is awake again."""
FIRST_ATTEMPTS_S = 10.0
"""For every camera and the broker to be tried once, before the start counts as done."""

_log = logging.getLogger(__name__)


def run(config: Config, path: Path | None = None) -> int:
    """Runs until SIGTERM, SIGINT or the end of every source, and ends the process. `path`: the configuration's file.
    Returns 0 where a signal came before there was anything to be stopped.

    Raises MaskdError where a part cannot start, or fails in a way that a restart may mend.
    """
    configure_logging(config.log_level)
    hide_secrets(config.secrets)
    with ExitStack() as stack:
        guard = stack.enter_context(StopGuard())
        stops = stack.enter_context(StopSignals())
        hangups = stack.enter_context(HangupSignal())
        require_own_files(config.storage.path)
        accelerator = stack.enter_context(Accelerator(config))
        try:
            daemon = Daemon(config, path, accelerator, guard)
        except Exception:
            if stops.came_early:
                return 0  # what the signal interrupted has taken its SystemExit for a fault of its own
            raise
        stops.tell(daemon.stop)
        hangups.tell(daemon.reload)
        daemon.run()
    # All is done. Python's own end would take as long as its libraries like, and aborts where a thread returns from a
    # read that hung.
    logging.shutdown()
    os._exit(daemon.exit_status)


class Daemon:
    """All parts of a running maskd. `run` starts them, waits, and stops them in the order in which events flow.

    It ends by itself once the sources of all cameras that are on have ended, unless commands are on and a camera that
    is off could be switched on.
    """

    def __init__(
        self,
        config: Config,
        path: Path | None = None,
        accelerator: Accelerator | None = None,
        guard: StopGuard | None = None,
    ) -> None:
        """`path`: the file that the configuration came from; what commands have set is laid over it. `guard`: ends the
        process where a stop hangs; None: nothing does. Raises MaskdError where a model cannot be used."""
        self._path = path
        self._overrides = Overrides(config.storage.path, path)
        self._overrides.read()
        layers = self._overrides.over(config)
        self._require_a_camera(layers)
        self._overrides.take(layers)
        config = layers.effective
        self._config = config
        """What is in effect."""
        self._started_with = config
        self._is_over = False
        self._is_reload_due = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Wakes `run`. Unlike an Event it may be told by a signal handler that interrupts whoever waits for it."""
        self._failure: BaseException | None = None
        self._changing = threading.RLock()
        """Held from a look at what is in effect until something else is."""
        self._reload_news = ReloadNews()
        self._notifier = Notifier()
        self._notifier.status("loading the models")
        self._notifier.extend_timeout(LOADING_S)
        self._accelerator = accelerator or Accelerator(config)
        self._guard = guard or StopGuard()
        self._guard.doing = "the loading of the models"
        vision, vision_problems = self._build_vision()
        self._models = ModelNames(detector=vision.detector.identity, classifier=vision.classifier.identity)
        storage = config.storage
        self._record = Record(storage.path, keep_days=storage.keep_days, keep_bytes=storage.keep_bytes)
        self._outbox = Outbox(
            storage.path,
            max_events=storage.max_events,
            max_bytes=storage.max_bytes,
            record=self._record,
            prefix=config.mqtt.prefix,
        )
        self._mqtt = MqttClient(config.mqtt, config.device)
        self._sender = Sender(
            self._outbox, self._mqtt, on_failure=self._fail, event_expiry_s=config.mqtt.event_expiry_s
        )
        self._writer = EventWriter(self._outbox, self._mqtt.topics, self._models, config.privacy)
        self._cameras = RunningCameras(vision.recommended, on_failure=self._fail)
        self._watcher = Watcher(vision, on_round=self._round, on_end=self._vision_ended)
        self._commands = Commands(
            self._mqtt,
            path=path,
            overrides=self._overrides,
            config=lambda: self._config,
            apply=self.apply,
            effective=partial(effective_setting, recommended=vision.recommended),
            on_failure=self._fail,
            changing=self._changing,
        )
        self._report = StatusReport(
            config,
            self._models,
            outbox=self._outbox,
            client=self._mqtt,
            sender=self._sender,
            commands=self._commands,
            cameras=self._cameras,
            timings=self._watcher.timings,
            reload_problems=lambda: [*self._reload_news.problems, *self._overrides.problems()],
            vision_problems=vision_problems,
        )
        self._status_line = StatusLine(
            self._notifier.status,
            cameras=self._cameras,
            client=self._mqtt if config.mqtt.enabled else None,
            outbox=self._outbox,
            notes=lambda: self._reload_news.brief,
        )
        self._publisher = Publisher(self._mqtt, config, self._report.status, on_failure=self._fail)
        self._homeassistant = Announcer(
            self._mqtt,
            config,
            vision.classifier.labels,
            commands_enabled(config.mqtt),
            storage.path / "announced.json",
            on_republish=[self._publisher.republish, self._commands.publish_states],
            on_failure=self._fail,
        )

    def _build_vision(self) -> tuple[Vision, list[str]]:
        """With why it runs on the CPU, where a delegate was to run it."""
        problems: list[str] = []

        def degraded(problem: str) -> None:
            problems.append(f"degraded: {problem}")
            _log.warning("degraded: %s", problem)

        verdict = self._accelerator.begin(time.time(), time.monotonic())
        if verdict.problem is not None:
            degraded(verdict.problem)
        return build_vision(verdict.config, degraded), problems

    @property
    def exit_status(self) -> int:
        """After `run`: 1 where the disk took some events no more, which the log tells of."""
        return 1 if self._outbox.uncommitted or self._outbox.given_up else 0

    def stop(self) -> None:
        """Asks `run` to stop; from any thread or signal handler."""
        self._is_over = True
        self._wake.put(None)

    def reload(self) -> None:
        """Asks `run` to read the configuration's file again; from any thread or signal handler."""
        self._is_reload_due = True
        self._wake.put(None)

    def apply(self, config: Config) -> list[str]:
        """Takes another, validated configuration into effect, from any thread, without losing anybody who is there.

        Returns the names of the settings that wait for a restart. A camera that is closed takes up to 2 s.
        """
        effective = without_awaiting_restart(self._started_with, config)
        with self._changing:
            if not self._is_over:
                self._take_into_effect(effective)
        return settings_awaiting_restart(self._started_with, config)

    def run(self) -> None:
        """Raises MaskdError where a part cannot start, or where a thread failed."""
        self._notifier.extend_timeout(OUTBOX_S)
        self._guard.doing = f"the opening of the outbox in {self._config.storage.path}"
        self._guard.uncommitted = lambda: self._outbox.uncommitted
        self._outbox.on_damage = self._fail
        try:
            self._outbox.open(stops=lambda: self._is_over)
        except OpeningStoppedError:
            return
        self._overrides.save()
        try:
            for event in self._outbox.recover(time.time()):
                if self._config.privacy == "aggregate":
                    continue  # the log names no person either
                _log.info(
                    "camera %s: ended a person who was there when maskd last stopped (seq %d)", event.camera, event.seq
                )
            self._start()
            self._serve()
        finally:
            self._is_over = True
            deadline = self._guard.begin()
            self._notifier.stopping()
            self._shut_down(deadline)
        if isinstance(self._failure, MaskdError):
            raise self._failure
        if self._failure is not None:
            _log.error("a part of maskd failed; please report this:", exc_info=self._failure)
            raise MaskdError(f"stopped by an unexpected error ({self._failure!r}); the log above tells where")

    def _start(self) -> None:
        try:
            self._start_parts()
        except RuntimeError as error:  # of threading, which has no class of its own for it
            if "start new thread" not in str(error):
                raise
            raise MaskdError(
                "the system starts no more threads; end other programs, or raise TasksMax= of the service or "
                "`ulimit -u`"
            ) from error

    def _start_parts(self) -> None:
        self._guard.doing = "the start of the cameras"
        self._report.start()
        with self._changing:
            self._take_into_effect(self._config)
            self._watcher.start()
        if self._config.mqtt.enabled:
            self._sender.start()
            self._publisher.start()
            self._commands.start()
            self._homeassistant.start()
            self._mqtt.start()
        _log.info(
            "maskd %s is watching %s with %s and %s",
            version("maskd"),
            ", ".join(self._cameras.running) or "nothing until a camera is switched on",
            self._models.detector,
            self._models.classifier,
        )
        self._await_first_attempts()
        if self._failure is None:
            self._notifier.ready()

    def _await_first_attempts(self) -> None:
        """Until every part has come up, or is being tried again."""
        give_up_at = time.monotonic() + FIRST_ATTEMPTS_S
        while not self._is_over and not self._were_all_tried and time.monotonic() < give_up_at:
            with suppress(queue.Empty):
                self._wake.get(timeout=0.05)

    @property
    def _were_all_tried(self) -> bool:
        was_broker_tried = self._mqtt.connection is not None or self._mqtt.problem is not None
        return self._cameras.were_tried and (was_broker_tried or not self._config.mqtt.enabled)

    def _serve(self) -> None:
        """Until the end is asked for; several wishes for a reload are one."""
        next_reload_at = 0.0
        while not self._is_over:
            write_waiting_lines()
            self._start_late_cameras()
            rest = next_reload_at - time.monotonic() if self._is_reload_due else LOOK_S
            if rest > 0:
                with suppress(queue.Empty):
                    self._wake.get(timeout=rest)
            else:
                self._is_reload_due = False
                self._reload()
                next_reload_at = time.monotonic() + RELOAD_GAP_S

    def _start_late_cameras(self) -> None:
        if self._changing.acquire(blocking=False):
            try:
                self._cameras.start_late()
            finally:
                self._changing.release()

    def _reload(self) -> None:
        self._guard.doing = "a reload of the configuration"
        self._notifier.reloading()
        try:
            with self._changing:
                layers = self._overrides.over(read_again(self._path, self._config))
                self._require_a_camera(layers)
                self._overrides.take(layers)
                waiting = self.apply(layers.effective)
        except MaskdError as error:
            self._reload_news.refused(self._path, error)
        else:
            assert self._path is not None
            self._reload_news.taken_over(self._path, waiting)
            self._commands.publish_states()
            self._overrides.save()
        finally:
            self._notifier.ready()

    @staticmethod
    def _require_a_camera(layers: Layers) -> None:
        """Raises UsageError where config.yaml leaves no camera; one that a command switched off waits for another."""
        effective = layers.effective
        is_switched_off = any(
            known.value is True for each, known in layers.file_values.items() if each.setting == "enabled"
        )
        require_a_camera(effective, commands=is_switched_off or commands_enabled(effective.mqtt))

    def _take_into_effect(self, config: Config) -> None:
        logging.getLogger().setLevel(config.log_level.upper())
        # A camera that goes may still have something to say.
        hide_secrets(self._config.secrets | config.secrets)
        self._config = self._report.config = config
        self._sender.withhold(config.privacy == "aggregate")
        self._writer.privacy = config.privacy
        self._publisher.apply(config)
        self._sender.event_expiry_s = config.mqtt.event_expiry_s
        self._outbox.max_events, self._outbox.max_bytes = config.storage.max_events, config.storage.max_bytes
        self._record.keep_days, self._record.keep_bytes = config.storage.keep_days, config.storage.keep_bytes
        commands_on = self._homeassistant.commands_on = commands_enabled(config.mqtt)
        if config.mqtt.enabled:
            self._commands.switch(config.mqtt)
        self._homeassistant.announce_again(config)
        if not self._mqtt.is_connected_by(config.mqtt):
            self._sender.forget_refusals()
            self._homeassistant.forget_refusals()
            self._mqtt.reconfigure(config.mqtt)
        # A source that is closed on the way to its next settings has not ended.
        self._watcher.watch(self._cameras.watched, endless=True)
        self._cameras.apply(config)
        off = [name for name, camera in config.cameras.items() if not camera.enabled]
        was_on = any(self._overrides.in_file(Settable("enabled", name)) for name in off)
        self._watcher.watch(self._cameras.watched, endless=was_on or (commands_on and bool(off)))

    def _shut_down(self, deadline: Deadline) -> None:
        """In the order in which events flow, each part within what the ones before it leave."""
        self._guard.doing = "a change of the configuration"
        self._commands.stop(deadline.within(PART_STOP_S))
        self._cameras.ask_to_stop()
        self._guard.doing = "the vision thread"
        if not self._watcher.stop(deadline.within(VISION_STOP_S, spare=GOODBYE_S + CLOSE_S)):
            _log.warning(
                "the vision thread still works on a picture, or waits for the disk; people on it get their `ended` at "
                "the next start"
            )
        if self._config.mqtt.enabled:
            self._say_goodbye(deadline)
        self._guard.doing = "a camera"
        self._cameras.stop(deadline.within(PART_STOP_S, spare=CLOSE_S))
        self._guard.doing = f"the disk of {self._config.storage.path}"
        self._outbox.close()

    def _say_goodbye(self, deadline: Deadline) -> None:
        self._guard.doing = "the connection to the broker"
        self._homeassistant.stop(deadline.within(PART_STOP_S))
        self._publisher.stop(deadline.within(PART_STOP_S))
        self._mqtt.hurry()  # the broker may have come back since the last attempt
        if not self._sender.flush(deadline.within(FLUSH_S, spare=GOODBYE_S + CLOSE_S)) and self._outbox.depth:
            until = "privacy is events again" if self._sender.withheld else "the broker is back"
            _log.info("%d events stay in the outbox until %s", self._outbox.depth, until)
        self._sender.stop(deadline.within(PART_STOP_S, spare=GOODBYE_S + CLOSE_S))
        self._guard.doing = f"the disk of {self._config.storage.path}"
        if self._outbox.give_up_unsaved():
            self._publisher.say_last(deadline.within(PART_STOP_S, spare=GOODBYE_S + CLOSE_S))
        self._guard.doing = "the connection to the broker"
        self._mqtt.stop(deadline.within(GOODBYE_S, spare=CLOSE_S))

    def _fail(self, error: BaseException) -> None:
        """A thread has ended by an error: the first one is the daemon's."""
        if self._failure is None:
            self._failure = error
        self.stop()

    def _vision_ended(self, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
        self.stop()

    def _round(self, scenes: list[Scene]) -> None:
        """In the vision thread, after every round: what happened is safe before anything else is done."""
        transitions = [transition for scene in scenes for transition in scene.transitions]
        self._writer.write(transitions)
        self._publisher.observe(transitions)
        now = time.monotonic()
        self._accelerator.ran(now)
        self._notifier.watchdog(now)
        self._status_line.update(now)
