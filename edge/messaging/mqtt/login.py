"""Who this device says it is to the broker."""

from __future__ import annotations

from edge.config import MqttSettings
from edge.errors import MaskdError


def read_password(settings: MqttSettings) -> str | None:
    """Read anew for every connection, so that a changed password needs no restart."""
    path = settings.password_file
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not text"
        raise MaskdError(
            f"the broker's password in {path} cannot be read: {reason}; "
            "put the password alone into that file, readable for maskd, or correct mqtt.password_file"
        ) from error
