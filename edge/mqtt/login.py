"""The login of this device at the broker."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import MqttSettings
from edge.errors import MaskdError
from edge.system.credentials import CREDENTIAL_STORE, credential
from edge.system.secret_file import read_secret, readable_by_everybody


@dataclass(frozen=True, slots=True)
class Login:
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()
    """What is not as it should be with the files, in sentences."""
    is_withheld: bool = False
    """There may be a login for the service, which this user cannot read."""


def read_login(
    settings: MqttSettings, environment: Mapping[str, str] = os.environ, store: Path = CREDENTIAL_STORE
) -> Login:
    """Read again for every connection, so that a changed password needs no restart. What systemd hands over comes from
    `store` itself for a process that systemd has handed nothing, if it may read there: root's `maskd check`.

    Raises MaskdError for a file that cannot be read or holds nothing that could be sent.
    """
    warnings: list[str] = []
    username = settings.username
    if username is None:
        path = settings.username_file or credential("mqtt-username", environment, store)
        username = None if path is None else _read(path, "user name", "mqtt.username_file", warnings)
    path = settings.password_file or credential("mqtt-password", environment, store)
    password = None if path is None else _read(path, "password", "mqtt.password_file", warnings)
    if password is not None and username is None:
        raise MaskdError(
            f"there is a password for the broker in {path}, but no user name; set mqtt.username, or add the systemd "
            "credential mqtt-username"
        )
    is_withheld = username is None and not environment.get("CREDENTIALS_DIRECTORY") and _is_closed(store)
    return Login(username, password, tuple(warnings), is_withheld)


def commands_enabled(settings: MqttSettings) -> bool:
    """Whether settings can be changed by messages: by default only at a broker that asks who is there."""
    return settings.enabled and (has_login(settings) if settings.commands is None else settings.commands)


def has_login(
    settings: MqttSettings, environment: Mapping[str, str] = os.environ, store: Path = CREDENTIAL_STORE
) -> bool:
    """Whether this device shows the broker who it is, by a user name or by a certificate."""
    has_certificate = settings.tls is not None and settings.tls.cert_file is not None
    has_name = settings.username is not None or settings.username_file is not None
    return has_certificate or has_name or credential("mqtt-username", environment, store) is not None


def _is_closed(folder: Path) -> bool:
    """Whether there is such a folder for others only."""
    return os.access(folder, os.F_OK, effective_ids=True) and not os.access(folder, os.X_OK, effective_ids=True)


def _read(path: Path, what: str, setting: str, warnings: list[str]) -> str:
    text = read_secret(path, "the broker's", what, setting)
    if warning := readable_by_everybody(path):
        warnings.append(warning)
    return text
