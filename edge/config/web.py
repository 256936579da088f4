"""The settings of the page."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from edge.config.fields import HomePath, Settings, Text, contradiction
from edge.config.traits import LIVE

HOST_NAME_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"
BASE_PATH_PATTERN = r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$"
HostName = Annotated[str, Field(pattern=HOST_NAME_PATTERN)]


class WebTlsSettings(Settings):
    cert_file: Annotated[HomePath | None, LIVE] = None
    """PEM file of the page's certificate; null: a certificate of its own, made in storage.path."""
    key_file: Annotated[HomePath | None, LIVE] = None
    """PEM file of the certificate's private key; null: it is in cert_file."""

    @model_validator(mode="after")
    def _key_has_certificate(self) -> WebTlsSettings:
        if self.key_file is not None and self.cert_file is None:
            raise contradiction("key_file", "a private key needs its certificate; set web.tls.cert_file as well")
        return self


class WebSettings(Settings):
    enabled: Annotated[bool, LIVE] = True
    """false: no page, even if a password is set. Without a password there is no page either: see `maskd password`."""
    host: Annotated[Text, LIVE] = "127.0.0.1"
    """The address to listen on. 127.0.0.1: only this device; 0.0.0.0: every IPv4 network; "::": IPv6 as well."""
    port: Annotated[int, Field(ge=1, le=65535), LIVE] = 8470
    """The TCP port to listen on."""
    tls: Annotated[WebTlsSettings | None, LIVE] = None
    """null: unencrypted; an empty section `{}`: TLS with a certificate of its own."""
    show_faces: Annotated[bool, LIVE] = False
    """false: every face is pixelated on the device before the picture is shown; true: the picture as it is."""
    base_path: Annotated[str, Field(pattern=BASE_PATH_PATTERN), LIVE] = ""
    """The path below which a reverse proxy shows the page, such as /maskd; empty: none."""
    names: Annotated[list[HostName], LIVE] = []
    """Further host names of the page; IP addresses, localhost and the device's host name are always allowed."""
