"""What maskd trusts on an encrypted connection, and what it shows of itself."""

from __future__ import annotations

import ssl
from pathlib import Path

from edge.config import TlsSettings
from edge.errors import MaskdError
from edge.system.secret_file import readable_by_everybody
from edge.system.tls_trust import trusting

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TidySslSocket(ssl.SSLSocket):
    """paho forgets a socket whose handshake failed without closing it."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """Made for every connection, so that renewed files need no restart. Raises MaskdError for a file that is of no
    use."""
    remedy = "set mqtt.tls.ca_file to the certificate of the authority that signed the broker's"
    context = trusting(tls.ca_file, remedy)
    context.sslsocket_class = TidySslSocket
    context.minimum_version = _VERSIONS[tls.min_version]
    if tls.cert_file is not None:
        _show(context, tls.cert_file, tls.key_file)
    return context


def key_warning(tls: TlsSettings) -> str | None:
    """A sentence about a private key that is not kept; None where there is nothing to say."""
    key_file = tls.key_file or tls.cert_file
    return None if key_file is None else readable_by_everybody(key_file)


def _show(context: ssl.SSLContext, cert_file: Path, key_file: Path | None) -> None:
    def refuse_to_ask() -> str:
        # OpenSSL would ask at the terminal, and wait there for ever.
        raise MaskdError(
            f"the private key in {key_file or cert_file} is encrypted, and maskd cannot ask for its passphrase; "
            "decrypt it with `openssl pkey -in KEY -out PLAIN`, let only maskd read the result, and set "
            "mqtt.tls.key_file to it"
        )

    for path, setting in ((cert_file, "cert_file"), (key_file, "key_file")):
        if path is not None:
            _check_readable(path, setting)
    try:
        context.load_cert_chain(cert_file, key_file, password=refuse_to_ask)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"the private key in {key_file or cert_file} belongs to another certificate"
        else:
            reason = "there is no certificate or no private key in PEM in what is named"
        raise MaskdError(
            f"this device's certificate in {cert_file} cannot be used: {reason}; set mqtt.tls.cert_file and "
            "mqtt.tls.key_file to PEM files"
        ) from error


def _check_readable(path: Path, setting: str) -> None:
    """OpenSSL's error does not tell which of two files it is about."""
    try:
        path.open("rb").close()
    except OSError as error:
        what = "certificate" if setting == "cert_file" else "private key"
        raise MaskdError(
            f"this device's {what} in {path} cannot be read: {error.strerror}; "
            f"correct mqtt.tls.{setting}, or let maskd's user read the file"
        ) from error
