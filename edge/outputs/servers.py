"""What outputs that call servers have in common: whom they trust, and the words for what goes wrong."""

from __future__ import annotations

import socket
import ssl

from edge.system.tls_trust import plain_reason

_SAID_LENGTH = 120
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""What OpenSSL calls an answer that is not TLS."""


def is_without_tls(error: ssl.SSLError) -> bool:
    """Whether a handshake failed because the server speaks something else."""
    return error.reason in _NO_TLS


def reason_of(error: Exception, host: str) -> str | None:
    """Why a connection failed and what to do; None: nothing is known, but that it ended."""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"the certificate of {host} is not trusted ({error.verify_message}); set ca_file to the certificate of "
                "the authority that signed it"
            )
        case ssl.SSLEOFError():
            return f"{host} ended the connection before TLS was set up; check that it offers TLS on this port"
        case ssl.SSLError() if is_without_tls(error):
            return f"{host} does not begin with TLS; check the address and the port"
        case ssl.SSLError():
            told = plain_reason(error.reason or "NO_REASON_GIVEN")
            return f"{host} has no compatible TLS: {told}; check the address, the port and the server's TLS"
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
