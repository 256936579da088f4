"""`maskd config`: the configuration in effect, and every setting that there is."""

from __future__ import annotations

import argparse

from edge.config.editor_schema import editor_schema_text
from edge.config.show import run_config_show
from edge.config.table import settings_table
from edge.system.arguments import add_config

DESCRIPTION = "Explains the configuration."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    views = parser.add_subparsers(metavar="WHAT", required=True)
    show = views.add_parser("show", help="print the settings in effect, with secrets masked")
    add_config(show)
    show.set_defaults(view=_show)
    schema = views.add_parser("schema", help="print the JSON Schema of config.yaml, for editors")
    schema.set_defaults(view=_schema)
    table = views.add_parser("table", help="every setting with its values and when it takes effect, in Markdown")
    table.set_defaults(view=_table)


def main(args: argparse.Namespace) -> int:
    status: int = args.view(args)
    return status


def _show(args: argparse.Namespace) -> int:
    return run_config_show(args.config)


def _schema(_args: argparse.Namespace) -> int:
    print(editor_schema_text(), end="")
    return 0


def _table(_args: argparse.Namespace) -> int:
    print(settings_table(), end="")
    return 0
