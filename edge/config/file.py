"""config.yaml -> Config."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from edge.camera.source_masking import mask_source
from edge.config import Config
from edge.config.problems import dotted, explain, report
from edge.config.schema import config_schema
from edge.config.yaml_source import Document, Location, Problem, SyntaxProblem, read_yaml
from edge.errors import UsageError
from edge.system.paths import expanded

SEARCH_PATHS = (Path("config.yaml"), Path("/etc/maskd/config.yaml"))

_FILES_TO_READ: tuple[Location, ...] = (
    ("mqtt", "username_file"),
    ("mqtt", "password_file"),
    ("mqtt", "tls", "ca_file"),
    ("mqtt", "tls", "cert_file"),
    ("mqtt", "tls", "key_file"),
)

_log = logging.getLogger(__name__)


def load_config(path: Path | None) -> Config:
    """Reads and checks a configuration; None: the first of SEARCH_PATHS that exists, or else the defaults.

    Raises UsageError, whose text lists every problem with file, line, column and the line itself.
    """
    path = path or find_config()
    if path is None:
        places = " or ".join(str(candidate) for candidate in SEARCH_PATHS)
        _log.info("no configuration at %s: every setting has its default", places)
        return Config()
    config = parse_config(decode_config(read_config(path), path), path)
    _log.info("configuration: %s", path)
    return config


def parse_config(text: str, path: Path) -> Config:
    """The configuration in `text`; errors name `path`.

    Raises UsageError, whose text lists every problem with file, line, column and the line itself.
    """
    try:
        document = read_yaml(text)
    except SyntaxProblem as error:
        raise report(path, text, [Problem(error.place, (), str(error))]) from None
    if document.value is None:
        raise UsageError(
            f"{path} is empty; copy the commented config.yaml there, or delete the file to use the defaults"
        )
    if not isinstance(document.value, dict):
        problem = Problem(
            document.place_of(()), (), "the file must contain `name: value` lines, such as `device: lobby`"
        )
        raise report(path, text, [problem])
    config, problems = _validate(document)
    if problems or config is None:
        raise report(path, text, problems)
    return config


def config_from_values(values: dict[str, Any]) -> Config:
    """The configuration of values that come from no file, such as `Config.model_dump()` with a value changed.

    Raises UsageError with the first problem, in one sentence.
    """
    config, problems = _validate(Document(value=values))
    if problems or config is None:
        raise UsageError(f"{dotted(problems[0].location)}: {problems[0].text}")
    return config


def find_config() -> Path | None:
    """The first of SEARCH_PATHS that exists; None: there is none, and every setting has its default."""
    return next((candidate for candidate in SEARCH_PATHS if candidate.exists()), None)


def show_config(config: Config) -> str:
    """The configuration in effect, as YAML; passwords in addresses are masked."""
    return yaml.safe_dump(
        _masked(config.model_dump(mode="json")), sort_keys=False, allow_unicode=True, default_flow_style=False
    )


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_masked(child) for child in value]
    return mask_source(value) if isinstance(value, str) else value


def read_config(path: Path) -> bytes:
    """The file's content. Raises UsageError where it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no configuration file {path}; check the path given with -c") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; give a file in it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the configuration file {path} cannot be read: {reason}") from None


def decode_config(data: bytes, path: Path) -> str:
    """The file's text, without a byte-order mark. Raises UsageError where it is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: the file is not UTF-8 text; save it as UTF-8") from None


def _validate(document: Document) -> tuple[Config | None, list[Problem]]:
    problems = [*document.problems, *_unreadable_files(document)]
    config: Config | None = None
    try:
        config = Config.model_validate(document.value)
    except ValidationError as error:
        schema = config_schema()
        problems += [explain(details, document, schema) for details in error.errors(include_url=False)]
    else:
        problems += _shared_devices(config, document)
    return config, problems


def _unreadable_files(document: Document) -> Iterator[Problem]:
    """Files that must exist before anything starts; whether their content is right shows when they are used."""
    for location in _FILES_TO_READ:
        value = document.value
        for step in location:
            value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, str):
            continue
        problem = _why_unreadable(value)
        if problem:
            yield Problem(document.place_of(location), location, problem)


def _why_unreadable(name: str) -> str | None:
    try:
        path = expanded(name)
        if path.is_dir():
            return f"{name or '.'} is a folder; give a file"
        if not path.exists():
            if "/" not in name:
                # What was to stay out of this file may be the very value.
                return "there is no such file; write the path of a file, such as /etc/maskd/password"
            return f"there is no file {name}; create it, or correct the path"
        return None if os.access(path, os.R_OK) else f"{name} cannot be read by this user; change its permissions"
    except UsageError:
        return None  # said by the setting itself
    except (OSError, ValueError):
        return "is not a path of a file"


def _shared_devices(config: Config, document: Document) -> Iterator[Problem]:
    """A device serves one reader, so two cameras on one would take turns failing."""
    owners: dict[str, str] = {}
    for name, camera in config.cameras.items():
        device = camera.source.device
        if not camera.enabled or device is None:
            continue
        owner = owners.setdefault(device, name)
        if owner != name:
            location = ("cameras", name, "source")
            text = f'the camera "{owner}" uses {device} already, and only one can; give each camera its own device'
            yield Problem(document.place_of(location), location, text)
