"""Answers of the page, and the headers that go with every one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: a form's Origin header would then say null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def json_response(content: Mapping[str, Any], status: int = 200) -> Response:
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(data, status, media_type="application/json")


def refusal(status: int, sentence: str) -> Response:
    return json_response({"error": sentence}, status)
