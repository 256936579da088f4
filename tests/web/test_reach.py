from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.web.logins import FILE_NAME, Logins
from edge.web.reach import page_url


def url(folder: Path, *, has_login: bool = True, **web: Any) -> str | None:
    if has_login:
        (folder / FILE_NAME).write_text(Logins(owner="x").model_dump_json())
    values = {"cameras": {"door": {"source": "demo"}}, "storage": {"path": str(folder)}, "web": web}
    return page_url(Config.model_validate(values))


@pytest.mark.parametrize(
    ("web", "expected"),
    [
        ({"host": "192.168.1.20"}, "http://192.168.1.20:8470/"),
        ({"host": "192.168.1.20", "port": 80, "tls": {}}, "https://192.168.1.20:80/"),
        ({"host": "fd00::5"}, "http://[fd00::5]:8470/"),
        ({"host": "0.0.0.0", "names": ["lobby.example.org", "b"]}, "http://lobby.example.org:8470/"),
        ({"host": "lobby.lan"}, "http://lobby.lan:8470/"),
        ({}, None),
        ({"host": "localhost"}, None),
        ({"host": "::1"}, None),
        ({"host": "0.0.0.0", "enabled": False}, None),
        ({"host": "0.0.0.0", "base_path": "/maskd"}, None),
    ],
)
def test_the_page_has_an_address_where_others_can_open_it(
    tmp_path: Path, web: dict[str, Any], expected: str | None
) -> None:
    assert url(tmp_path, **web) == expected


def test_on_every_network_it_is_found_by_the_device_s_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Lobby.lan")
    assert url(tmp_path, host="0.0.0.0") == "http://lobby.local:8470/"


def test_without_a_login_there_is_no_page(tmp_path: Path) -> None:
    assert url(tmp_path, has_login=False, host="0.0.0.0") is None
    (tmp_path / FILE_NAME).write_text("{")
    assert url(tmp_path, has_login=False, host="0.0.0.0") is None
