"""What the address of a camera may show: words that cameras' makers put there, which say nothing of the login."""

from __future__ import annotations

import re


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


USERS = words(
    """
    admin administrator camera cam guest live maskd onvif operator root rtsp service stream supervisor ubnt user
    username view viewer
    """
)
"""Names of logins that makers set, or that anyone would take. Another one may be a token."""
_WORDS = words(
    """
    1080p 2160p 480p 4k 720p aac action api audio auto av avc axis back bin c cam camera cameras cgi ch channel
    channels cif d demo door encoder entrance faststream feed flv fps front gate h h264 h264preview h265 hall hd
    hevc high hls home http httppreview image images img index interleaved isapi jpeg jpg json live lobby loop low
    m3u8 main mainstream media medium mjpeg mjpg mov mp4 mpeg mpeg4 multicast nphmotionjpeg off on onvif photos
    picture play playlist preview profile psia push quality real realmonitor rtp rtsp s sd sdp sec smp snap snapshot
    still stream streaming streams sub substream tcp test till track trackid ts udp uhd unicast v vga video videos
    view vis webcam webrtc ws xml yard php asp html amp true false yes no none
    """
)
_KEYS = words(
    """
    action audio bitrate cam camera ch channel channelid channels chn chnid codec compression date enabled format
    fps framerate gop h height latency loop mirror mode nowprofileid overview page profile proto protocol quality
    rate res resolution rotation size speed stream streamid streamprofile streamtype subtype timeout trackid
    transport transportmode type unicast video videocodec videokeyframeinterval w width x y
    """
)
"""Names of parameters that choose a picture."""
_SECRET_KEYS = words(
    """
    access_token accesstoken api_key apikey auth authbasic authorization credentials jwt key loginpas loginuse pass
    passwd password psw pw pwd secret session sig signature sign token userpwd userid id account name login url uri
    """
)
"""Names of parameters that may be shown themselves, while what they are set to is not."""
_USER_KEYS = words(
    """
    user username usr loginuse user-id account login
    """
)
_NUMBERED = re.compile(r"([A-Za-z]+(?:264|265)?)?(\d{0,3})")
_LONGEST_REST = 12
"""Characters of a piece that are not known words; a word with its number counts."""
_NUMBER = re.compile(r"-?\d{1,4}(?:\.\d{1,3})?|\d{2,4}[xX*]\d{2,4}|\d{1,3}/\d{1,3}")
_SEPARATOR = re.compile(r"[-_.:+]")
_CHANNEL = re.compile(r"\d{1,4}")
MASK = "***"


def is_harmless(piece: str) -> bool:
    """Whether one level of a path, or a value, consists of known words and short numbers alone."""
    if piece == MASK:
        return True
    others = [part for part in _SEPARATOR.split(piece) if part.lower() not in _WORDS]
    # Many short parts together could be a token, such as 123-456-789.
    return sum(map(len, others)) <= _LONGEST_REST and all(_is_numbered(part) for part in others)


def _is_numbered(part: str) -> bool:
    """Such as 101, ch01 or stream1."""
    match = _NUMBERED.fullmatch(part)
    return len(part) <= 1 or (match is not None and (match[1] or "s").lower() in _WORDS)


def is_known(word: str) -> bool:
    """Whether a word may be shown, wherever it turns up."""
    return is_harmless(word) or word.lower() in USERS | _KEYS | _SECRET_KEYS | _USER_KEYS


def is_channel(piece: str) -> bool:
    """Such as 1602, behind `Channels`."""
    return _CHANNEL.fullmatch(piece) is not None


def shown_assignment(key: str, value: str) -> str:
    """`key=value` with the parts that are not known masked."""
    name = key.lower()
    if name in _KEYS:
        return f"{key}={value if _NUMBER.fullmatch(value) or is_harmless(value) else MASK}"
    if name in _USER_KEYS:
        return f"{key}={shown_user(value)}"
    if name in _SECRET_KEYS:
        return f"{key}={MASK if value else ''}"
    return MASK


def shown_user(name: str) -> str:
    """A login's name where it is known, or too short to be a token."""
    return name if name.lower() in USERS or len(name) <= 2 else MASK
