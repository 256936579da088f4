"""`maskd purge`: clears from the broker everything that it keeps of this device."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.config.file import load_config
from edge.errors import MaskdError
from edge.homeassistant import announce, discovery_filter, retained_topics
from edge.mqtt.retained import RetainedMessages
from edge.payloads.topics import Topics
from edge.system.arguments import add_config

DESCRIPTION = (
    "Clears every retained message of this device at the broker, including Home Assistant's entities, before you "
    "remove or rename the device."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="even while maskd is running under this name")
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    return run_purge(args.config, force=args.force)


def run_purge(config_path: Path | None, *, force: bool = False) -> int:
    """Prints what was cleared; returns the exit status. `force`: also while a daemon is running.

    Raises MaskdError where the broker is absent, a daemon is running, or something is still kept afterwards.
    """
    config = load_config(config_path)
    topics = Topics(config.mqtt.prefix, config.device)
    address = f"{config.mqtt.host}:{config.mqtt.port}"
    discovery = [each.topic for each in announce(config, [], commands_on=True, tells_temperature=True)]
    everything = [f"{topics.base}/#", discovery_filter(config)]
    broker = RetainedMessages(config.mqtt, config.device)

    found = broker.find(everything)
    if found.get(topics.availability) == b"online" and not force:
        raise MaskdError(
            f"{config.device} is online at {address}, and would publish everything again; stop it first "
            "(sudo systemctl stop maskd), or add --force"
        )
    # The login of a device may write its topics, but perhaps not read them.
    unseen = [topic for topic in (*discovery, *retained_topics(config, commands_on=True)) if topic not in found]
    # Entities go before what they read.
    refused = broker.clear([*sorted(found, key=lambda topic: topic not in discovery), *unseen])
    left = broker.find(everything)

    cleared = sorted(found.keys() - refused.keys() - left.keys())
    print(f"cleared {len(cleared)} retained messages of {config.device} at {address}")
    for topic in cleared:
        print(f"  {topic}")
    print(f"{len(unseen) - len(refused.keys() & unseen)} more topics were cleared without seeing their contents")
    for topic, reason in refused.items():
        print(f"not cleared: {topic}: {reason}", file=sys.stderr)
    if left:
        raise MaskdError(
            f"the broker still retains {', '.join(sorted(left))}; give this device's login the right to write there, "
            "and check that no other client publishes there"
        )
    return 0
