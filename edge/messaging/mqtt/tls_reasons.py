"""Why two sides could not agree on an encrypted connection, in a sentence that names the remedy."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from edge.config import TlsSettings

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
            f"the broker {address} does not speak TLS {tls.min_version} or newer, which mqtt.tls.min_version asks for; "
            f"have the broker offer TLS {tls.min_version}{lower}"
        )
    if "CERTIFICATE_REQUIRED" in reason or (tls.cert_file is None and "HANDSHAKE_FAILURE" in reason):
        return (
            f"the broker {address} wants a certificate of this device; "
            "set mqtt.tls.cert_file and mqtt.tls.key_file to one that its authority signed"
        )
    if "ALERT" in reason and tls.cert_file is not None and ("CA" in reason or "CERTIFICATE" in reason):
        return (
            f"the broker {address} does not accept this device's certificate in {tls.cert_file} ({_plain(reason)}); "
            "have it signed, for a time that is not over, by an authority that the broker trusts (its `cafile`)"
        )
    told = _plain(reason) if reason else error.strerror or str(error)
    return (
        f"the broker {address} speaks no TLS that fits ours: {told}; "
        "see whether mqtt.port is its TLS port, or remove mqtt.tls"
    )


def _distrusted(error: ssl.SSLCertVerificationError, address: str, tls: TlsSettings) -> str:
    ca_file: Path | str = tls.ca_file or "the system's authorities"
    if error.verify_code == _NOT_YET_VALID:
        why = f"it is not valid yet, as this device's clock says {_today()}"
        remedy = (
            "if that date is wrong, connect a time server (sudo timedatectl set-ntp true): a board without a battery "
            "starts in the past; else wait, or renew the broker's certificate"
        )
    elif error.verify_code == _EXPIRED:
        why = f"it has expired, as this device's clock says {_today()}"
        remedy = "renew the broker's certificate, or set the clock if that date is wrong"
    elif error.verify_code in _OTHER_NAME:
        why = f"it is not made for that name ({error.verify_message.rstrip('.')})"
        remedy = "set mqtt.host to a name that the certificate holds, or have one made for this name (subjectAltName)"
    elif error.verify_code == _SELF_SIGNED:
        why = f"nobody but the broker itself signed it, and it is not among {ca_file}"
        remedy = "if it is your broker, copy its certificate to this device and name the copy in mqtt.tls.ca_file"
    elif error.verify_code in _UNKNOWN_AUTHORITY:
        why = f"none of {ca_file} signed it"
        remedy = "set mqtt.tls.ca_file to the certificate of the authority that did"
    else:
        why = error.verify_message
        remedy = "have the broker's certificate made anew, or set mqtt.tls.ca_file to the authority that signed it"
    return f"the certificate of the broker {address} is not trusted: {why}; {remedy}"


def _today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


def _plain(reason: str) -> str:
    """OpenSSL's name of a reason, such as TLSV1_ALERT_UNKNOWN_CA, in small letters."""
    for prefix in ("TLSV13_ALERT_", "TLSV1_ALERT_", "SSLV3_ALERT_"):
        reason = reason.removeprefix(prefix)
    return reason.lower().replace("_", " ")
