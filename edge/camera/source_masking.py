"""What a camera's `source` may show, and what of it has to be hidden wherever it turns up."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from edge.system.harmless_words import MASK, is_known, shown_user, words
from edge.system.masking import is_address, mask_address, mask_url

LEAST_SECRET = 4
"""Characters of what is hidden wherever it turns up; a shorter part is in too many words."""
_PIPELINE = re.compile(r"\s*gst:", re.IGNORECASE)
_TOKEN = re.compile(r"""(?:[^\s"']|"(?:\\.|[^"\\])*"?|'[^']*'?)+""")
_PROPERTIES = words("""
    block bitrate blocksize brightness buffer-mode buffer-size camera-name caps channels clock-rate colorimetry contrast
    device device-fd do-rtcp do-timestamp drop drop-on-latency encoding-name format framerate flip-method height
    interlace-mode io-mode is-live latency leaky max-buffers max-size-buffers max-size-bytes max-size-time media
    method mode name num-buffers ntp-sync payload pattern pixel-aspect-ratio port protocols qos retry rotation
    sensor-id sensor-mode sync tcp-timeout timeout udp-reconnect video-sink wbmode width
    """)
"""Of common elements, and of caps: what they are set to is shown, if it is short and plain."""
_SECRET_PROPERTIES = words("user-pw proxy-pw proxy-id extra-headers cookies user-agent password")
_ADDRESS_PROPERTIES = words("location uri url proxy")
_PLAIN = re.compile(r"[A-Za-z0-9_./:()+<>-]{0,40}")
_DEVICE_TREE = re.compile(r"/base/[\w/@,.-]{1,150}")
_FILE = re.compile(r"[~/.][\w./~+-]{0,200}")
_ELEMENT = re.compile(
    r"[A-Za-z][A-Za-z0-9_]{0,40}|[a-z]+/[a-z0-9.+-]+(?:\([\w:]+\))?,?|[A-Za-z_]\w{0,20}\.(?:\w{0,20})"
)
_WORD = re.compile(r"[A-Za-z0-9]{6,}")
_LIKE_A_TOKEN = re.compile(r"(?=.*\d)|(?=.*[a-z].*[A-Z])|.{10}")
"""Part of something hidden that no sentence has."""
_PARTS = re.compile(r"[/?#&;,=@!|\s\"'\\]+|:(?!//)|_(?=[A-Za-z-]+=)")


def mask_source(text: str) -> str:
    """Fit for logs and printouts; kind, host, port and what is known to be harmless stay."""
    if match := _PIPELINE.match(text):
        return match[0] + _pipeline(text[match.end() :])
    return mask_address(text) if is_address(text) else mask_url(text)


@lru_cache(maxsize=256)
def secrets_of(source: str) -> frozenset[str]:
    """The parts of a `source` that mask_source() hides, and the same as a library may repeat them: decoded."""
    if not (is_address(source) or _PIPELINE.match(source)):
        return frozenset()
    shown = mask_source(source)
    parts = {*_PARTS.split(source), *re.findall(r"://([^\s]*)@", source)}
    parts |= {login.partition(":")[2] for login in parts if ":" in login}
    forms = {form for part in parts if part not in shown for form in (part, unquote(part), unquote(unquote(part)))}
    forms |= {word for form in forms for word in _WORD.findall(form) if word not in shown and _LIKE_A_TOKEN.match(word)}
    return frozenset(form for form in forms if len(form) >= LEAST_SECRET and not is_known(form) and MASK not in form)


def _pipeline(text: str) -> str:
    """Words that are neither an element, nor a setting that is known to be harmless, are masked."""
    shown, may_be_element, end = [], True, 0
    for token in _TOKEN.finditer(text):
        shown += [text[end : token.start()], _word(token[0], may_be_element=may_be_element)]
        may_be_element, end = token[0] == "!", token.end()
    return "".join(shown) + text[end:]


def _word(word: str, *, may_be_element: bool) -> str:
    if word == "!":
        return word
    if may_be_element and "," in word:
        return ",".join(_word(part, may_be_element=True) for part in word.split(","))
    name, equals, value = word.partition("=")
    if not equals:
        return word if word == "" or (may_be_element and _ELEMENT.fullmatch(word)) else MASK
    bare = value.strip("\"'").removesuffix(",")
    comma = "," if value.endswith(",") else ""
    if name in _ADDRESS_PROPERTIES:
        if is_address(bare):
            return f"{name}={mask_address(bare)}{comma}"
        return word if _FILE.fullmatch(bare) else f"{name}={MASK}{comma}"
    if name in _PROPERTIES:
        return (
            word
            if _PLAIN.fullmatch(bare) or (name == "camera-name" and _DEVICE_TREE.fullmatch(bare))
            else f"{name}={MASK}{comma}"
        )
    if name == "user-id":
        return f"{name}={shown_user(bare)}{comma}"
    return f"{name}={MASK}{comma}" if name in _SECRET_PROPERTIES else f"{MASK}{comma}"
