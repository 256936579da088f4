"""Why FFmpeg does not open or read an address: a cause, and a sentence with a remedy."""

from __future__ import annotations

import errno
import socket
from enum import Enum
from urllib.parse import SplitResult, urlsplit

import av.error

from edge.camera.source_masking import mask_source


class Cause(Enum):
    """What keeps a source from being read. The value says it of a stream, with its remedy."""

    NEEDS_LOGIN = (
        "the camera requires a user and a password; add them to the address, as in {scheme}://user:password@{host}"
    )
    WRONG_LOGIN = (
        "the camera refuses this user or password; check both, and percent-encode special characters (@ as %40)"
    )
    FORBIDDEN = "this user may not view it (403); give it the right in the camera's settings, or use another user"
    NOT_FOUND = "the camera has no such path (404); look up the path of its stream in its manual or settings"
    SERVER_ERROR = "the camera reports an internal error (5xx); close other viewers, or restart it"
    OTHER_ANSWER = "the camera refuses the request ({detail}); check the path and the camera's settings for streams"
    NAME = "the name {host} cannot be resolved; check its spelling, or use the camera's IP address"
    UNREACHABLE = "{host} cannot be reached; check the address, the camera's power and its network"
    REFUSED = "{host} refuses the connection; check the port in the address, and that {scheme} is enabled in the camera"
    TIMED_OUT = "no answer within {seconds:g} s; check the address and the firewall, and restart the camera"
    PROTOCOL = "{scheme}:// is not supported here; use the camera's rtsp:// or http:// address"
    CLOSED = (
        "the camera closes the connection or answers in another protocol; check the port and the path, and close other "
        "viewers"
    )
    TLS = "the encrypted connection failed; check that the port supports {scheme}"
    NOT_VIDEO = (
        "it sends no video; this may be the address of the camera's web page, so look up the address of its stream"
    )
    NO_PICTURE = (
        "the camera answers, but sent no picture within {seconds:g} s; restart it, and check that its stream is "
        "enabled and the firewall allows it"
    )
    NO_VIDEO = "it has only sound; choose the address of a stream with pictures"
    NO_CODEC = "its codec is not supported{detail}; set the camera to H.264, H.265 or MJPEG"
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
    return f"the stream {mask_source(url)} cannot be opened: {why}"


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
