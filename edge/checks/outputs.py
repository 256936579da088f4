"""Whether each output works, tried without anyone noticing where that can be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from edge.checks.jobs import Job
from edge.checks.row import Row, judged
from edge.config import Config, Settings
from edge.mqtt import MqttClient
from edge.mqtt.awaited import AwaitedPublisher
from edge.outputs.action_queue import ActionQueue
from edge.outputs.outputs import Means, make_output

LIMIT_S = 16.0


def output_jobs(config: Config) -> Iterator[Job]:
    """One for each output."""
    for kind, name, settings in config.outputs.named():
        setting = f"outputs.{kind}.{name}"
        too_slow = f"it did not answer within {LIMIT_S:g} s; check {setting}"
        yield Job("output", name, partial(_rows, config, setting, settings), LIMIT_S, too_slow)


def unused_rows(config: Config) -> Iterator[Row]:
    """Outputs that no rule uses."""
    used = {output for rule in config.rules.values() for output in rule.do} | {config.report.mail}
    for kind, name, _ in config.outputs.named():
        if name not in used:
            yield judged("output", name, warnings=[f"no rule uses outputs.{kind}.{name}; add it to the `do` of a rule"])


def _rows(config: Config, setting: str, settings: Settings) -> Iterator[Row]:
    publisher = AwaitedPublisher(MqttClient(config.mqtt, config.device))
    output = make_output(setting, settings, Means(ActionQueue(config.storage.path), publisher, lambda _error: None))
    yield judged("output", f"{setting.rpartition('.')[2]}: {output.try_out()}")
