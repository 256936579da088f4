"""The web server, in a thread with an event loop of its own. Its libraries are imported there, when there is a page."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.config import WebSettings
from edge.errors import MaskdError
from edge.system.deadline import Deadline
from edge.web.certificate import own_certificate
from edge.web.listener import Listener, listen

if TYPE_CHECKING:
    import uvicorn

MOST_REQUESTS = 80
"""At a time; below the listener's limit, so that a refusal can still be said."""
REQUEST_S = 10
"""For a connection to bring its next request."""
GRACE_S = 1
"""For answers that are under way when the server stops."""
LONGEST_MESSAGE = 4096
"""Bytes of a message that a browser sends."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Application:
    asgi: Any
    stop: Callable[[], None] = lambda: None
    """Called in the event loop before the server ends."""


class WebServer:
    """Serves until it is stopped, or tells in `problem` why it cannot."""

    def __init__(
        self, settings: WebSettings, storage: Path, names: frozenset[str], make_app: Callable[[Executor], Application]
    ) -> None:
        """`make_app`: called in the thread's event loop, with an executor of one thread for slow work."""
        self.problem: str | None = None
        """A sentence for the status."""
        self._settings = settings
        self._storage = storage
        self._names = names
        self._make_app = make_app
        self._server: uvicorn.Server | None = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, deadline: Deadline) -> None:
        self._is_stopping = True
        if self._server is not None:
            self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(deadline.left)

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="web-work") as work:
                asyncio.run(self._serve(work))
        except MaskdError as error:
            self.problem = f"the page is off: {error}"
        except Exception as error:  # noqa: BLE001 - the page never ends the daemon
            _log.exception("the page has failed and is started again; please report this:")
            self.problem = f"the page is off: an unexpected error ({error!r}); see the log"

    async def _serve(self, work: ThreadPoolExecutor) -> None:
        """Raises MaskdError."""
        import uvicorn

        certificate = self._certificate()
        with closing(self._listen()) as listener:
            application = self._make_app(work)
            try:
                config = _uvicorn_config(application.asgi)
                config.ssl = certificate
                server = self._server = uvicorn.Server(config)
                server.should_exit = self._is_stopping
                scheme = "http" if certificate is None else "https"
                _log.info("the page is at %s://%s%s/", scheme, page_address(self._settings), self._settings.base_path)
                await server.serve(sockets=[listener])
            finally:
                application.stop()

    def _listen(self) -> Listener:
        """Raises MaskdError."""
        settings = self._settings
        try:
            return listen(settings.host, settings.port)
        except OSError as error:
            why = error.strerror or str(error)
            raise MaskdError(
                f"it cannot listen on {address_of(settings)}: {why}; set web.port or web.host to another"
            ) from None

    def _certificate(self) -> ssl.SSLContext | None:
        """Raises MaskdError."""
        tls = self._settings.tls
        if tls is None:
            return None
        certificate = tls.cert_file or own_certificate(self._storage, self._names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, tls.key_file)
        except (OSError, ssl.SSLError) as error:
            raise MaskdError(
                f"its certificate {certificate} cannot be used: {error.strerror or error}; check web.tls"
            ) from None
        return context


def _uvicorn_config(asgi: Any) -> uvicorn.Config:
    import uvicorn

    from edge.web.connection import Connection

    config = uvicorn.Config(
        asgi,
        http=Connection,
        ws="websockets-sansio",
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_REQUESTS,
        timeout_keep_alive=REQUEST_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    config.load()
    return config


def page_address(settings: WebSettings) -> str:
    """For a person; where it listens on every network, words for an address that is not known here."""
    with suppress(ValueError):
        if ipaddress.ip_address(settings.host).is_unspecified:
            return f"<address of this device>:{settings.port}"
    return address_of(settings)


def address_of(settings: WebSettings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"
