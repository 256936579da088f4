"""`maskd report`: compliance of the last days, from the local record; no broker and no running daemon needed."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

from edge.commands.since import parse_since
from edge.config import Config
from edge.config.file import find_config, load_config
from edge.config.show import in_effect
from edge.errors import MaskdError, UsageError
from edge.system.arguments import add_config
from edge.system.atomic_file import write_own_file

DESCRIPTION = (
    "Reports compliance per door, zone, hour and weekday, the trend, the busiest hours, and when there was no data, "
    "from the record of this device: as one page of HTML that prints well, or as CSV (a row for each hour and door) or "
    "JSON. --privacy prints what is seen, kept and sent by the configuration in effect instead, for the notice "
    "at the door."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since", metavar="WHEN", default="7d", help="from then on: 7d (the default), 4w, 2026-11-01, 2026-11-20T15:00"
    )
    parser.add_argument("--format", choices=("html", "csv", "json", "text"), help="html, but text with --privacy")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there instead of to the standard output")
    parser.add_argument("--privacy", action="store_true", help="print the privacy sheet instead: html, or text")
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    """Raises UsageError for a format that does not fit, and MaskdError where the record cannot be read."""
    path = args.config or find_config()
    config, notes = in_effect(load_config(path), path)
    if args.privacy:
        _put(_sheet(config, args.format or "text"), args.out)
    else:
        _put(_report(config, args.since, args.format or "html"), args.out)
    for note in notes if args.out else ():
        print(note, file=sys.stderr)
    return 0


def _report(config: Config, since: str, form: str) -> str:
    from edge.report.as_data import as_csv, as_json
    from edge.report.gather import report_of
    from edge.report.page import as_html

    if form == "text":
        raise UsageError("a report is html, csv or json; text is for --privacy")
    now = datetime.now(timezone.utc)
    begin = parse_since(since, now).timestamp()
    if not 0 <= begin < now.timestamp():
        raise UsageError(f"--since {since} does not lie in the past")
    report = report_of(config, begin, now.timestamp())
    return {"html": as_html, "csv": as_csv, "json": as_json}[form](report)


def _sheet(config: Config, form: str) -> str:
    from importlib.metadata import version

    from edge.report.privacy_sheet import as_html, as_text
    from edge.system.time_zone import device_zone

    if form not in ("html", "text"):
        raise UsageError("the privacy sheet is html or text")
    zone, _ = device_zone()
    made = f"{datetime.now(zone).date().isoformat()}, maskd {version('maskd')}"
    return as_html(config, made) if form == "html" else as_text(config, made)


def _put(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
        return
    try:
        write_own_file(out, text.encode())
    except OSError as error:
        raise MaskdError(f"{out} cannot be written: {error.strerror or error}; give another file with --out") from None
