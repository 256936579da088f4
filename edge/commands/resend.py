"""`maskd resend`: publishes events again that the local record still holds."""

from __future__ import annotations

import argparse
import json
from typing import Any

from pydantic import ValidationError

from edge.config.file import find_config, load_config
from edge.control.local_door import ask
from edge.errors import MaskdError, UsageError
from edge.payloads.resend import ResendState
from edge.system.arguments import add_config, whole_number

DESCRIPTION = (
    "Asks the running daemon to publish events again that the local record still holds, under the same ids and marked "
    '"resent": true, for subscribers whose broker lost them. Without an option it shows how far that is. New events do '
    "not wait for it, at most 50 a second are published, and a restart continues it. The exit status is 3 if no daemon "
    "is running."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="begin", type=whole_number(1), metavar="SEQ", help="the number of the first event, its `seq`"
    )
    parser.add_argument(
        "--to", dest="end", type=whole_number(1), metavar="SEQ", help="the number of the last one (the newest)"
    )
    parser.add_argument("--epoch", metavar="EPOCH", help="the epoch of these numbers (the present one)")
    parser.add_argument("--stop", action="store_true", help="stop a resend that is running")
    parser.add_argument("--json", action="store_true", help="print the state as it is published, one JSON object")
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    """Raises NotRunningError where no daemon is running, and MaskdError where it refuses."""
    if args.begin is None and (args.end is not None or args.epoch is not None):
        raise UsageError("--to and --epoch need --from, the number of the first event")
    if args.begin is not None and args.stop:
        raise UsageError("--from begins a resend and --stop ends one; give one of them")
    fields: dict[str, Any] = {"stop": True} if args.stop else {}
    if args.begin is not None:
        wanted = {"from": args.begin, "to": args.end, "epoch": args.epoch}
        fields["request"] = {key: value for key, value in wanted.items() if value is not None}
    answer = ask(load_config(args.config or find_config()), "resend", **fields)
    try:
        state = ResendState.model_validate_json(json.dumps(answer.get("resend")))
    except ValidationError:
        raise MaskdError("the running maskd has another version than this command; restart it") from None
    print(state.to_json().decode() if args.json else _sentence(state))
    return 0


def _sentence(state: ResendState) -> str:
    if state.state == "idle":
        return "no event was published again since maskd started; --from SEQ begins"
    up_to = "the newest" if state.end is None else str(state.end)
    refused = f", {state.refused} refused by the broker" if state.refused else ""
    why = f" ({state.error})" if state.error else ""
    words = {"running": "is running", "done": "is done", "stopped": "was stopped"}
    return (
        f"the resend from {state.begin} to {up_to} of the epoch {state.epoch} {words[state.state]}{why}: "
        f"{state.sent} events published again{refused}"
    )
