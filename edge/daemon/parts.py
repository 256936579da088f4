"""The composition root: the one place that makes the parts of the daemon and tells them of each other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from edge.control.audit import Audit
from edge.control.changes import Changes
from edge.control.commands import Commands
from edge.control.local_door import Answer, LocalDoor
from edge.control.resend_requests import ResendRequests
from edge.daemon.log_settings import LogSettings
from edge.daemon.running_cameras import RunningCameras
from edge.daemon.status_line import StatusLine
from edge.daemon.status_report import StatusReport
from edge.homeassistant.announcer import Announcer
from edge.mqtt import MqttClient
from edge.mqtt.awaited import AwaitedPublisher
from edge.mqtt.publisher import Publisher
from edge.mqtt.resender import Resender
from edge.mqtt.sender import Sender
from edge.mqtt.snapshot_publisher import SnapshotPublisher
from edge.mqtt.totals import TotalsPublisher
from edge.outputs.action_queue import ActionQueue
from edge.outputs.outputs import Means, Outputs
from edge.outputs.report_mail import mail_report
from edge.outputs.rules import Rules
from edge.payloads.events import ModelNames
from edge.people.known_statuses import require_known_statuses
from edge.people.observations import ObservationLog
from edge.people.scene import Scene
from edge.people.watcher import Watcher
from edge.report.weekly import WeeklyReport
from edge.store.event_writer import EventWriter
from edge.store.places import Places
from edge.store.snapshots import Snapshots
from edge.store.store import Store
from edge.store.uptime import Uptime
from edge.system.part import Part
from edge.vision.accelerator import Accelerator
from edge.vision.build import build_visions
from edge.vision.cores import workers
from edge.vision.pipeline import Vision
from edge.vision.thresholds import effective_setting
from edge.web.device import Device
from edge.web.part import WebPage
from edge.web.reach import page_url

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What parts may ask of the daemon, from any thread."""

    fail: Callable[[BaseException], None]
    """A thread has ended by this error, and the daemon ends with it."""
    stop: Callable[[], None]
    is_over: Callable[[], bool]
    tell_systemd: Callable[[str], None]
    health: Answer
    """To the command `health` on this device."""


def make_parts(changes: Changes, accelerator: Accelerator, hooks: Hooks) -> list[Part]:
    """In the order in which they start; an event flows through them from the last to the first, so that they stop in
    the opposite order without losing one. Raises MaskdError where a model cannot be used.

    It is long because it is a list: each part is made here, once, and told of the others.
    """
    config = changes.config
    visions, problems = _build_visions(accelerator)
    vision = visions[0]
    models = ModelNames(detector=vision.detector.identity, classifier=vision.classifier.identity)
    changes.check = partial(require_known_statuses, labels=vision.classifier.labels)
    changes.check(config)
    effective = partial(effective_setting, recommended=vision.recommended)

    def vision_ended(error: BaseException | None) -> None:
        if error is not None:
            hooks.fail(error)
        hooks.stop()

    def hand_on(scenes: Sequence[Scene]) -> None:
        snapshots.take(scenes)  # before the writer has anything to tell of
        writer.put([transition for scene in scenes for transition in scene.transitions])
        observations.take(scenes)
        places.take(scenes)
        page.take(scenes)

    audit = Audit(config)
    changes.on_changed = audit.changed
    store = Store(config, on_damage=hooks.fail, stops=hooks.is_over)
    client = MqttClient(config.mqtt, config.device)
    report = StatusReport(models, lambda: changes.config)
    totals = TotalsPublisher(client, config, on_failure=hooks.fail)
    observations = ObservationLog(vision.classifier.labels, config)
    page = WebPage(
        Device(
            changes,
            effective,
            observations,
            vision.recommended,
            report.status,
            lambda: totals.saved,
            on_change=lambda: commands.publish_states(),
            note=audit.note,
        )
    )
    publisher = Publisher(client, config, report.status, on_failure=hooks.fail, on_window=totals.window_closed)
    snapshot_publisher = SnapshotPublisher(client, config, on_failure=hooks.fail)
    snapshots = Snapshots(config, on_made=[snapshot_publisher.take, page.snapshot_made], on_failure=hooks.fail)
    actions = ActionQueue(config.storage.path)
    outputs = Outputs(config, Means(actions, AwaitedPublisher(client), hooks.fail))
    rules = Rules(config, outputs, actions, on_failure=hooks.fail)
    writer = EventWriter(
        store.outbox,
        client.topics,
        models,
        config.privacy,
        on_committed=[publisher.observe, totals.observe, page.observe],
        on_published=[snapshots.published, rules.published],
        on_failure=hooks.fail,
    )
    watcher = Watcher(visions, problems=problems, on_round=hand_on, on_end=vision_ended)
    cameras = RunningCameras(vision.recommended, hooks.fail, watch=watcher.watch, may_switch_on=changes.may_switch_on)
    commands = Commands(client, changes, effective=effective, on_failure=hooks.fail)
    changes.on_reload = commands.publish_states
    announcer = Announcer(
        client,
        config,
        vision.classifier.labels,
        config.storage.path / "announced.json",
        [publisher.republish, totals.republish, commands.publish_states],
        on_failure=hooks.fail,
        page_url=page_url,
    )
    answers = {"status": report.answer, "observations": observations.answer, "audit": audit.answer}
    answers["health"] = hooks.health
    places = Places(config, on_failure=hooks.fail)
    door = LocalDoor(config, answers)
    parts: list[Part] = [LogSettings(), store, changes, audit, observations, door]
    known_client = None
    if config.mqtt.enabled:
        known_client = client
        sender = Sender(store.outbox, client, on_failure=hooks.fail, before_events=publisher.tell_status)
        client.on_other_broker = [sender.forget_refusals, announcer.forget_refusals]
        resender = Resender(store.outbox, client, config, on_failure=hooks.fail, before_events=publisher.tell_status)
        requests = ResendRequests(client, resender, config, on_failure=hooks.fail)
        answers["resend"] = requests.answer
        parts += [client, totals, publisher, sender, resender, requests, snapshot_publisher, announcer]
    else:
        parts.append(totals)  # it counts without a broker, too
    status_line = StatusLine(hooks.tell_systemd, cameras, known_client, store.outbox, models, lambda: changes.notes)
    uptime = Uptime(config, lambda: cameras.status().fields["cameras"])
    parts += [
        snapshots,
        outputs,
        rules,
        places,
        writer,
        watcher,
        cameras,
        uptime,
        WeeklyReport(config, mail_report),
        status_line,
        page,
    ]
    if config.mqtt.enabled:
        parts.append(commands)  # the first to stop: nothing is changed any more
    report.parts = parts
    return parts


def _build_visions(accelerator: Accelerator) -> tuple[list[Vision], list[str]]:
    """One for each vision thread, with why they run on the CPU where a delegate was to run them."""
    problems: dict[str, None] = {}

    def degraded(problem: str) -> None:
        sentence = f"degraded: {problem}"
        if sentence not in problems:
            problems[sentence] = None
            _log.warning("%s", sentence)

    verdict = accelerator.begin(time.time(), time.monotonic())
    if verdict.problem is not None:
        degraded(verdict.problem)
    return build_visions(verdict.config, workers(verdict.config), degraded), list(problems)
