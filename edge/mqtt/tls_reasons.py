"""Why two sides could not agree on an encrypted connection, in a sentence that names the remedy."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from edge.config import TlsSettings
from edge.system.tls_trust import plain_reason

# Numbers of X509_V_ERR_*, see openssl-verification-options(1).
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = 18
_UNKNOWN_AUTHORITY = (2, 19, 20, 21)
_OTHER_NAME = (62, 64)


def explain_tls(error: OSError, address: str, tls: TlsSettings) -> str:
    """A connection or handshake that failed, on either side's objection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrusted(error, address, tls)
    reason = (error.reason if isinstance(error, ssl.SSLError) else None) or ""
    if "PROTOCOL_VERSION" in reason or reason == "UNSUPPORTED_PROTOCOL":
        lower = ', or set mqtt.tls.min_version to "1.2"' if tls.min_version != "1.2" else ""
        return (
            f"the broker {address} does not support TLS {tls.min_version} or newer, which mqtt.tls.min_version "
            f"requires; enable TLS {tls.min_version} at the broker{lower}"
        )
    if "CERTIFICATE_REQUIRED" in reason or (tls.cert_file is None and "HANDSHAKE_FAILURE" in reason):
        return (
            f"the broker {address} requires a certificate from this device; set mqtt.tls.cert_file and "
            "mqtt.tls.key_file to one that its authority signed"
        )
    if "ALERT" in reason and tls.cert_file is not None and ("CA" in reason or "CERTIFICATE" in reason):
        return (
            f"the broker {address} does not accept this device's certificate in {tls.cert_file} "
            f"({plain_reason(reason)}); use one that has not expired and is signed by an authority that the broker "
            "trusts (its `cafile`)"
        )
    told = plain_reason(reason) if reason else error.strerror or str(error)
    return (
        f"the broker {address} has no compatible TLS: {told}; check that mqtt.port is its TLS port, or remove mqtt.tls"
    )


def _distrusted(error: ssl.SSLCertVerificationError, address: str, tls: TlsSettings) -> str:
    ca_file: Path | str = tls.ca_file or "the system's authorities"
    if error.verify_code == _NOT_YET_VALID:
        why = f"it is not valid yet by this device's clock, {_today()}"
        remedy = (
            "if that date is wrong, connect a time server (sudo timedatectl set-ntp true): a board without a clock "
            "battery starts in the past; otherwise wait, or renew the broker's certificate"
        )
    elif error.verify_code == _EXPIRED:
        why = f"it has expired by this device's clock, {_today()}"
        remedy = "renew the broker's certificate, or set the clock if that date is wrong"
    elif error.verify_code in _OTHER_NAME:
        why = f"it is not made for that name ({error.verify_message.rstrip('.')})"
        remedy = "set mqtt.host to a name in the certificate, or make one for this name (subjectAltName)"
    elif error.verify_code == _SELF_SIGNED:
        why = f"it is self-signed, and it is not in {ca_file}"
        remedy = "if it is your broker, copy its certificate to this device and set mqtt.tls.ca_file to the copy"
    elif error.verify_code in _UNKNOWN_AUTHORITY:
        why = f"none of {ca_file} signed it"
        remedy = "set mqtt.tls.ca_file to the certificate of the authority that did"
    else:
        why = error.verify_message
        remedy = "renew the broker's certificate, or set mqtt.tls.ca_file to the authority that signed it"
    return f"the certificate of the broker {address} is not trusted: {why}; {remedy}"


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
