"""What an encrypted connection trusts, and the words for why there is none."""

from __future__ import annotations

import ssl
from pathlib import Path

from edge.errors import MaskdError


def trusting(ca_file: Path | None, remedy: str) -> ssl.SSLContext:
    """The authority in this PEM file; None: the system's authorities. Made for each connection, so that a renewed file
    needs no restart. Raises MaskdError, which ends with `remedy`, for a file that is of no use."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = "it contains no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise MaskdError(f"the authority's certificate in {ca_file} cannot be used: {reason}; {remedy}") from error
    # Python 3.13 insists on key identifiers, which an authority made after mosquitto's manual does not write.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def plain_reason(reason: str) -> str:
    """OpenSSL's name of a reason, such as TLSV1_ALERT_UNKNOWN_CA, in small letters."""
    for prefix in ("TLSV13_ALERT_", "TLSV1_ALERT_", "SSLV3_ALERT_"):
        reason = reason.removeprefix(prefix)
    return reason.lower().replace("_", " ")
