"""`maskd backup`: everything that this device needs to go on, in one file."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from edge.config import Config
from edge.config.file import find_config, load_config, read_config
from edge.control.audit_note import note
from edge.payloads.payload import timestamp
from edge.store.backup import write_backup
from edge.system.arguments import add_config

CREDENTIALS = Path("/etc/credstore")
DESCRIPTION = (
    "Writes configuration, what commands have set, logins of the page (hashes), record, outbox, counts and the log of "
    "changes into one archive (tar.gz, mode 0600), also while maskd runs. config.yaml is in it as it is, with the "
    "logins of cameras that are part of their addresses."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the archive, such as lobby.tar.gz; it must not exist")
    parser.add_argument(
        "--with-secrets",
        action="store_true",
        help="also the logins of broker and outputs, private keys and the service's credentials, to which the "
        "configuration leads",
    )
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    """Raises MaskdError where it cannot be made."""
    from importlib.metadata import version

    path = args.config or find_config()
    config = load_config(path)
    about = {
        "device": config.device,
        "version": version("maskd"),
        "made": timestamp(time.time()),
        "config_path": None if path is None else str(path.resolve()),
        "storage": str(config.storage.path),
    }
    names = write_backup(
        args.file,
        config.storage.path,
        config=None if path is None else read_config(path),
        about=about,
        secrets=_secrets(config) if args.with_secrets else None,
    )
    note(config, "backup", None, args.file.name + (", with secrets" if args.with_secrets else ""))
    size = args.file.stat().st_size
    shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    print(f"{args.file}: {len(names)} files of {config.device}, {shown}")
    return 0


def _secrets(config: Config) -> dict[str, Path]:
    """By the names that they have in the archive."""
    mqtt, web = config.mqtt, config.web
    named = {
        "mqtt.username_file": mqtt.username_file,
        "mqtt.password_file": mqtt.password_file,
        "mqtt.tls.cert_file": None if mqtt.tls is None else mqtt.tls.cert_file,
        "mqtt.tls.key_file": None if mqtt.tls is None else mqtt.tls.key_file,
        "web.tls.cert_file": None if web.tls is None else web.tls.cert_file,
        "web.tls.key_file": None if web.tls is None else web.tls.key_file,
    }
    for kind, output, settings in config.outputs.named():
        for field in ("url_file", "secret_file", "password_file"):
            named[f"outputs.{kind}.{output}.{field}"] = getattr(settings, field, None)
    found = {name: path for name, path in named.items() if path is not None}
    if os.access(CREDENTIALS, os.R_OK | os.X_OK):
        found |= {f"credstore.{path.name}": path for path in CREDENTIALS.glob("maskd.*")}
    return found
