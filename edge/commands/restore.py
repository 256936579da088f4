"""`maskd restore`: puts a backup in place, on this device or on its replacement."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from pydantic import ValidationError

from edge.config import Config, StorageSettings
from edge.config.file import decode_config, find_config, load_config, parse_config
from edge.config.yaml_source import SyntaxProblem, read_yaml
from edge.control.audit_note import note
from edge.errors import MaskdError
from edge.store.backup_names import CONFIG
from edge.store.restore import Restore, read_manifest, read_small
from edge.system.atomic_file import replace_file, write_own_file

DEFAULT_CONFIG = Path("/etc/maskd/config.yaml")
SECRETS_FOLDER = "restored-secrets"
DESCRIPTION = (
    "Puts a backup in place while maskd is stopped. The archive is checked as a whole before anything is touched, and "
    "what was there is kept next to it. Events are numbered in a new epoch afterwards, so that no number is used twice."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="what `maskd backup` has written")
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help=f"where config.yaml goes ({DEFAULT_CONFIG})")


def main(args: argparse.Namespace) -> int:
    """Raises MaskdError; then nothing was changed."""
    manifest = read_manifest(args.file)
    path = args.config or find_config() or DEFAULT_CONFIG
    text = read_small(args.file, manifest, CONFIG)
    # Not the manifest's own words: a hostile one would name a place of another program.
    storage = load_config(path).storage if text is None else _storage_in(text, path)
    target = storage.path
    with Restore(args.file, target) as restore:
        restore.unpack(manifest)
        secrets = [(each.name, each.read_bytes()) for each in restore.secrets()]
        before = restore.put_in_place()
        kept = _put_config(text, path)
        folder = _put_secrets(secrets, target)
    print(f"restored to {target}; what was there is in {before}")
    if text is not None:
        print(f"the configuration is {path}" + ("" if kept is None else f"; the one before is {kept}"))
    if folder is not None:
        print(
            f"the secrets are in {folder}, by the names of their settings; move them where config.yaml looks for them"
        )
    if text is not None:
        _warn_if_unfit(text, path)
    note(Config(storage=storage), "restore", None, args.file.name)
    print("start maskd: it numbers events in a new epoch")
    return 0


def _storage_in(text: bytes, path: Path) -> StorageSettings:
    """This section alone: files that the rest names may still have to come. Raises MaskdError."""
    try:
        values = read_yaml(decode_config(text, path)).value
        return StorageSettings.model_validate((values.get("storage") if isinstance(values, dict) else None) or {})
    except (SyntaxProblem, ValidationError):
        raise MaskdError(
            "the configuration in the backup does not say where the state is; nothing was changed"
        ) from None


def _warn_if_unfit(text: bytes, path: Path) -> None:
    try:
        parse_config(decode_config(text, path), path)
    except MaskdError as error:
        print(f"before you start maskd: {str(error).splitlines()[0]}", file=sys.stderr)


def _put_config(text: bytes | None, path: Path) -> Path | None:
    """Returns where the one before is kept."""
    if text is None:
        return None
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_own_file(path, text, mode=0o640)
            return None
        if path.read_bytes() == text:
            return None
        kept = path.with_name(path.name + ".before-restore")
        shutil.copy2(path, kept)
        replace_file(path, text)
    except OSError as error:
        raise MaskdError(
            f"the state is restored, but {path} cannot be written: {error.strerror or error}; take config.yaml out of "
            "the archive with tar, put it there, and start maskd"
        ) from None
    return kept


def _put_secrets(secrets: list[tuple[str, bytes]], storage: Path) -> Path | None:
    """Never to a place that the archive names: a hostile one would choose it."""
    if not secrets:
        return None
    folder = storage / SECRETS_FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, data in secrets:
            write_own_file(folder / name, data, mode=0o600)
    except OSError as error:
        raise MaskdError(f"the state is restored, but not the secrets to {folder}: {error.strerror or error}") from None
    return folder
