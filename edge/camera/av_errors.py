"""Why FFmpeg does not open or read an address: a cause, and a sentence with a remedy."""

from __future__ import annotations

import errno
import socket
from enum import Enum
from urllib.parse import SplitResult, urlsplit

import av.error

from edge.source_masking import mask_source


class Cause(Enum):
    """What keeps a source from being read. The value says it of a stream, with its remedy."""

    NEEDS_LOGIN = (
        "the camera asks for a user and a password; put them into the address, as in {scheme}://user:password@{host}"
    )
    WRONG_LOGIN = (
        "the camera refuses this user or password; check both, and write special characters in percent form (@ as %40)"
    )
    FORBIDDEN = "this user may not watch it (403); allow it in the camera's settings, or take another user"
    NOT_FOUND = (
        "the camera is there but knows no such path (404); look up the path of its stream in its manual or its settings"
    )
    SERVER_ERROR = "the camera answers with an error of its own (5xx); close other viewers, or restart it"
    OTHER_ANSWER = "the camera refuses the request ({detail}); check the path and the camera's settings for streams"
    NAME = "the name {host} is not known; check its spelling, or use the camera's IP address"
    UNREACHABLE = "{host} cannot be reached; check that the camera is on, its network cable or Wi-Fi, and the address"
    REFUSED = (
        "{host} refuses the connection; check the port in the address, and that {scheme} is switched on in the camera"
    )
    TIMED_OUT = "no answer came within {seconds:g} s; check the address and the firewall, and restart the camera"
    PROTOCOL = "{scheme}:// is not supported here; use the camera's rtsp:// or http:// address"
    CLOSED = (
        "the camera closes the connection or answers in another protocol; check the port and the path, and close other "
        "viewers"
    )
    TLS = "the encrypted connection fails; check that the port speaks {scheme}"
    NOT_VIDEO = (
        "what it sends is not video; the address may be that of the camera's web page, so look up that of its stream"
    )
    NO_PICTURE = (
        "the camera answers, but no picture came within {seconds:g} s; restart it, and check that the stream is "
        "switched on, and that the firewall lets it through"
    )
    NO_VIDEO = "it holds sound alone; choose the address of a stream with pictures"
    NO_CODEC = "there is no decoder for its codec{detail}; set the camera to H.264, H.265 or MJPEG"
    TOO_LARGE = "its pictures claim to be {detail} pixels, more than maskd decodes; choose a smaller stream"


class SourceError(Exception):
    """A stream or file that cannot be read, and why."""

    def __init__(self, cause: Cause, detail: str = "") -> None:
        super().__init__(cause, detail)
        self.cause = cause
        self.detail = detail


LOGIN_OR_PATH = frozenset({Cause.NEEDS_LOGIN, Cause.WRONG_LOGIN, Cause.FORBIDDEN, Cause.NOT_FOUND})
"""Another attempt gives the same."""
OF_THE_FORMAT = frozenset({Cause.NOT_VIDEO, Cause.NO_PICTURE})
"""What comes of a stream that is read as what it is not."""
OF_THE_TRANSPORT = OF_THE_FORMAT | {Cause.OTHER_ANSWER, Cause.SERVER_ERROR, Cause.CLOSED}
"""What a camera may do when it is asked for a transport that it does not offer."""

_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_CLOSED = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED})
_OF_CLASS: tuple[tuple[type[av.error.FFmpegError], Cause], ...] = (
    (av.error.HTTPForbiddenError, Cause.FORBIDDEN),
    (av.error.HTTPNotFoundError, Cause.NOT_FOUND),
    (av.error.HTTPServerError, Cause.SERVER_ERROR),
    (av.error.HTTPClientError, Cause.OTHER_ANSWER),
    (av.error.ExitError, Cause.TIMED_OUT),
    (av.error.TimeoutError, Cause.TIMED_OUT),
    (av.error.ProtocolNotFoundError, Cause.PROTOCOL),
    (av.error.DemuxerNotFoundError, Cause.PROTOCOL),
    (av.error.DecoderNotFoundError, Cause.NO_CODEC),
    (av.error.EOFError, Cause.CLOSED),
)


def opening_error(error: av.error.FFmpegError, url: str, *, timed_out: bool) -> SourceError:
    """What an error of av.open means. `timed_out`: it came no earlier than the time limit; FFmpeg then calls it by
    whatever name the interrupted step has."""
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return SourceError(Cause.WRONG_LOGIN if "@" in _parts(url).netloc else Cause.NEEDS_LOGIN)
    if timed_out and not isinstance(error, av.error.HTTPError):
        return SourceError(Cause.TIMED_OUT)
    for kind, cause in _OF_CLASS:
        if isinstance(error, kind):
            return SourceError(cause, error.strerror or "")
    return SourceError(_of_number(error.errno, url))


def sentence(error: SourceError, url: str, seconds: float) -> str:
    """For the owner of the camera, without secrets; `seconds`: how long was waited."""
    parts = _parts(url)
    why = error.cause.value.format(
        scheme=parts.scheme,
        host=parts.netloc.rpartition("@")[2] or "the camera",
        seconds=seconds,
        detail=error.detail,
    )
    return f"the stream {mask_source(url)} does not open: {why}"


def _of_number(number: int | None, url: str) -> Cause:
    if number == errno.ECONNREFUSED:
        return Cause.REFUSED
    if number in _UNREACHABLE:
        return Cause.UNREACHABLE
    if number in _CLOSED:
        return Cause.CLOSED
    if number == errno.EPROTONOSUPPORT:
        return Cause.OTHER_ANSWER
    if number == errno.EIO and not _is_known(url):
        return Cause.NAME
    if number == errno.EIO and _parts(url).scheme in ("https", "rtsps"):
        return Cause.TLS
    # What speaks HTTP and is not video is mostly a page; other protocols know no pages.
    return Cause.NOT_VIDEO if _parts(url).scheme in ("http", "https") else Cause.CLOSED


def _is_known(url: str) -> bool:
    """FFmpeg does not tell a name that cannot be resolved from any other failure."""
    try:
        socket.getaddrinfo(_parts(url).hostname, None)
    except (OSError, UnicodeError):
        return False
    return True


def _parts(url: str) -> SplitResult:
    """Of the masked address: a password with unescaped characters in it would be taken for host and path."""
    try:
        return urlsplit(mask_source(url))
    except ValueError:
        return urlsplit("")
