"""The page itself: its files, and what it needs to know first."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from edge.config import Config
from edge.config.per_camera import for_camera
from edge.system.time_zone import time_zone_name
from edge.web.responses import json_response

STATIC = Path(__file__).parent / "static"


class Home:
    def __init__(self, config: Callable[[], Config]) -> None:
        """`config`: what is in effect."""
        self._config = config

    async def page(self, _request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    async def about(self, request: Request) -> Response:
        config = self._config()
        cameras = {
            name: {
                "zones": {zone: each.corners for zone, each in camera.zones.items()},
                "compliant": for_camera(config, name).compliance.compliant,
            }
            for name, camera in config.cameras.items()
        }
        return json_response(
            {
                "device": config.device,
                "version": version("maskd"),
                "role": request.scope["role"],
                "time_zone": time_zone_name(),
                "privacy": config.privacy,
                "keep_days": config.storage.keep_days,
                "cameras": cameras,
            }
        )


class PageFiles(StaticFiles):
    """Kept by the browser, which asks each time whether they are still the same."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "private, no-cache"
        return response
