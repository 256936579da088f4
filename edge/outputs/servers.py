"""What outputs that call servers have in common: whom they trust, and the words for what goes wrong."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from edge.errors import MaskdError

_SAID_LENGTH = 120


def trusting(ca_file: Path | None, setting: str) -> ssl.SSLContext:
    """Made for each connection, so that renewed files need no restart. `setting`: of the output. Raises MaskdError."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = "it contains no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise MaskdError(
            f"the authority's certificate in {ca_file} cannot be used: {reason}; correct {setting}.ca_file"
        ) from error
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as for the broker: certificates of one's own authority
    return context


def reason_of(error: Exception, host: str) -> str | None:
    """Why a connection failed and what to do; None: nothing is known, but that it ended."""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"the certificate of {host} is not trusted ({error.verify_message}); set ca_file to the certificate of "
                "the authority that signed it"
            )
        case socket.gaierror():
            return f"the name {host} is not known; check the address and this device's DNS"
        case TimeoutError():
            return f"{host} did not answer in time; check that it runs"
        case ConnectionRefusedError():
            return f"{host} refuses the connection; check that the server runs, and its port"
        case OSError() if error.strerror:
            return f"{host} cannot be reached: {error.strerror}"
    return None


def said(answer: bytes) -> str:
    """What a server answers, as one short line that is safe to show."""
    words = " ".join(answer.decode("utf-8", "replace").split())[:_SAID_LENGTH]
    return "".join(c for c in words if c.isprintable())
