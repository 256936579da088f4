"""Who this device says it is to the broker."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import MqttSettings
from edge.errors import MaskdError

SECRET_LIMIT = 65_535
"""Bytes of a user name or password: MQTT carries no more."""


@dataclass(frozen=True, slots=True)
class Login:
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    """What is not as it should be with the files, in sentences."""


def read_login(settings: MqttSettings, environment: Mapping[str, str] = os.environ) -> Login:
    """Read anew for every connection, so that a changed password needs no restart.

    Raises MaskdError for a file that cannot be read or holds nothing that could be sent.
    """
    warnings: list[str] = []
    username = settings.username
    if username is None:
        path = settings.username_file or _credential("mqtt-username", environment)
        username = None if path is None else _read(path, "user name", "mqtt.username_file", warnings)
    path = settings.password_file or _credential("mqtt-password", environment)
    password = None if path is None else _read(path, "password", "mqtt.password_file", warnings)
    if password is not None and username is None:
        raise MaskdError(
            f"there is a password for the broker in {path}, but no user name; "
            "set mqtt.username, or give the systemd credential mqtt-username as well"
        )
    return Login(username, password, tuple(warnings))


def has_login(settings: MqttSettings, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this device shows the broker who it is, by a user name or by a certificate."""
    has_certificate = settings.tls is not None and settings.tls.cert_file is not None
    has_name = settings.username is not None or settings.username_file is not None
    return has_certificate or has_name or _credential("mqtt-username", environment) is not None


def readable_by_everybody(path: Path) -> str | None:
    """A sentence about a secret that any user of this device can read; None where it is kept."""
    if not path.stat().st_mode & stat.S_IROTH:
        return None
    return f"every user of this device can read the secret in {path}; keep it to maskd: chmod o= {path}"


def _credential(name: str, environment: Mapping[str, str]) -> Path | None:
    """A file that systemd hands over (LoadCredential=, SetCredential= and their like)."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, name) if folder else None
    return path if path is not None and path.exists() else None


def _read(path: Path, what: str, setting: str, warnings: list[str]) -> str:
    def unusable(reason: str) -> MaskdError:
        return MaskdError(
            f"the broker's {what} in {path} cannot be read: {reason}; "
            f"put the {what} alone into that file, readable for maskd, or correct {setting}"
        )

    try:
        if not path.is_file():  # a pipe would wait for ever for somebody who writes
            raise unusable("there is no such file" if not path.exists() else "it is no file")
        with path.open("rb") as file:
            data = file.read(SECRET_LIMIT + 3)
        if warning := readable_by_everybody(path):
            warnings.append(warning)
    except OSError as error:
        raise unusable(error.strerror or str(error)) from error
    try:
        text = data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise unusable("it is not text") from None
    if not text:
        raise unusable("it is empty")
    if len(text.encode()) > SECRET_LIMIT:
        raise unusable(f"it is longer than {SECRET_LIMIT} bytes")
    if "\n" in text:
        raise unusable("it has more than one line")
    if not text.isprintable():
        raise unusable("it has characters that cannot be typed")
    return text
