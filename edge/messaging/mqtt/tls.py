"""What maskd trusts on an encrypted connection, and what it shows of itself."""

from __future__ import annotations

import ssl

from edge.config import TlsSettings
from edge.errors import MaskdError


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
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise MaskdError(
            f"the authority's certificate in {tls.ca_file} cannot be used: {error.strerror or error}; "
            "correct mqtt.tls.ca_file, which wants a file in PEM"
        ) from error
    context.sslsocket_class = TidySslSocket
    if tls.cert_file is not None:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        except (OSError, ssl.SSLError) as error:
            raise MaskdError(
                f"this device's certificate in {tls.cert_file} cannot be used: {error.strerror or error}; "
                "correct mqtt.tls.cert_file and mqtt.tls.key_file, which want files in PEM"
            ) from error
    return context


def explain_certificate(error: ssl.SSLCertVerificationError, address: str) -> str:
    return (
        f"the certificate of the broker {address} is not trusted: {error.verify_message}; "
        "set mqtt.tls.ca_file to the authority that signed it, and mqtt.host to a name that it holds"
    )
