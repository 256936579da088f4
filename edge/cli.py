"""The command line `maskd`: one line per command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from edge.errors import MaskdError
from edge.system.arguments import CommandParser
from edge.system.standard_streams import OutputError, StandardStreams


@dataclass(frozen=True, slots=True)
class Command:
    """Its module has a DESCRIPTION, adds arguments to a parser by `add_arguments`, and runs in `main`."""

    name: str
    module: str
    help: str


COMMANDS = (
    Command("run", "edge.commands.run", "the daemon"),
    Command("detect", "edge.commands.detect", "find faces and masks in photos, videos or a camera's picture"),
    Command("demo", "edge.commands.demo.demo", "everything on this one machine"),
    Command("events", "edge.commands.events", "print recent events from the local record"),
    Command("resend", "edge.commands.resend", "publish recorded events again, for a broker that lost them"),
    Command("status", "edge.commands.status", "how the running daemon is doing"),
    Command("report", "edge.commands.report", "compliance of the last days as a page, CSV or JSON; the privacy sheet"),
    Command("replay", "edge.commands.replay", "show which events a recorded video gives, also by changed settings"),
    Command("check", "edge.commands.check", "check that configuration, models, cameras and broker work"),
    Command("purge", "edge.commands.purge", "clear what the broker retains for this device"),
    Command("backup", "edge.commands.backup", "configuration, record and outbox in one file"),
    Command("restore", "edge.commands.restore", "put a backup in place"),
    Command("password", "edge.commands.password", "set who may use the page"),
    Command("config", "edge.commands.config", "the configuration"),
    Command("bench", "edge.commands.bench", "measure the latency of each stage on this device"),
    Command("tune", "edge.commands.tune", "find thresholds for config.yaml, from labelled photos of your site"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line; returns the exit status: 141 where the reader of what is printed has gone, as for other
    programs."""
    streams = StandardStreams()
    try:
        try:
            status = _run(sys.argv[1:] if argv is None else argv)
        finally:
            streams.flush()
    except MaskdError as error:
        streams.complain(f"maskd: {error}")
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except OutputError as error:
        streams.give_up_output()
        if isinstance(error.reason, BrokenPipeError):
            return 141  # the reader has gone, as `head` does
        streams.complain(f"maskd: the output cannot be written: {error.reason.strerror}")
        return 1
    return status


def _run(argv: Sequence[str]) -> int:
    """Imports the module of the command that is asked for alone, so that `maskd --help` answers at once on a slow
    board."""
    asked_for = next((word for word in argv if not word.startswith("-")), None)
    parser = CommandParser(
        prog="maskd",
        description="Watches cameras, finds faces, decides how each person wears a mask, publishes events over MQTT.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    module: ModuleType | None = None
    for command in COMMANDS:
        own = commands.add_parser(command.name, help=command.help)
        if command.name == asked_for:
            module = import_module(command.module)
            own.description = module.DESCRIPTION
            module.add_arguments(own)
    args = parser.parse_args(argv)
    assert module is not None, "the parser ends the program where no command is named"
    status: int = module.main(args)
    return status


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: importlib.metadata is slow to import."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib import metadata

        try:
            version = metadata.version("maskd")
        except metadata.PackageNotFoundError:
            version = "(not installed; run from a checkout)"
        print(f"maskd {version}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
