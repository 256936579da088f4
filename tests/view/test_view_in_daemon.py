"""The view of a real network camera, as a running daemon tells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from edge.web.logins import FILE_NAME, write_logins
from tests.daemon.test_daemon import running
from tests.support.mjpeg_server import MjpegServer
from tests.support.mosquitto import free_port
from tests.support.pictures import numbered, write_photo
from tests.support.waiting import wait_until
from tests.support.web_page import LOGINS, TOKEN, Client, is_listening
from tests.view.scenes import FRAMES


def jpeg(picture: Any) -> bytes:
    return cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes()


def test_a_dark_camera_is_told_and_a_dark_photo_is_not(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    write_photo(tmp_path / "photos" / "1.png", np.zeros_like(numbered(1)))
    port = free_port()
    with MjpegServer(fps=10, pictures=[jpeg(np.zeros_like(FRAMES[0]))]) as camera:
        values = {
            "device": "lobby",
            "cameras": {
                "door": {"source": camera.url},
                "gate": {"source": camera.url, "warn_of": ["moved"]},
                "photos": {"source": str(tmp_path / "photos"), "loop": True, "photo_seconds": 0.2},
            },
            "view": {"warn_after_s": 1},
            "mqtt": {"enabled": False},
            "storage": {"path": str(tmp_path / "storage")},
            "web": {"port": port},
        }
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump(values), encoding="utf-8")
        write_logins(tmp_path / "storage" / FILE_NAME, LOGINS)
        with running(config) as process:
            wait_until(lambda: is_listening(port), what="the page")
            client = Client(port, headers={"Authorization": f"Bearer {TOKEN}"})

            def status() -> Any:
                return client.get("/api/status").json

            wait_until(lambda: status()["cameras"]["door"]["view"], what="what is wrong with the picture")
            told = status()
            assert {name: camera["view"] for name, camera in told["cameras"].items()} == {
                "door": ["dark"],
                "gate": [],
                "photos": [],
            }
            assert told["problems"] == [
                "camera door: the picture is too dark to see a face; switch on a light, or uncover the lens"
            ]
            assert client.get("/readyz").status == 200, "a room is dark at night"
            assert process.poll() is None
