"""How this machine reaches packages, handed on to a Debian that runs on it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.system import roots

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PASSED_ON = re.compile(r"PIP_.*|(https?|ftp|all|no)_proxy|SSL_CERT_FILE|REQUESTS_CA_BUNDLE", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PackageAccess:
    environment: Mapping[str, str]
    pip: str
    """The text of a pip.conf."""
    folders: Sequence[Path]
    """Files and folders of this machine that pip reads, to be found in the other under the same paths."""

    @staticmethod
    def of_this_machine() -> PackageAccess:
        environment = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
        told = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
        settings = parse_pip_settings(told.stdout)
        values = [*environment.values(), *(value for each in settings.values() for value in each.values())]
        folders = local_folders(values)
        if CERTIFICATES.exists() and CERTIFICATES not in folders:
            folders.append(CERTIFICATES)
        return PackageAccess(environment, pip_conf(settings), folders)

    def write_into(self, root: Path) -> None:
        roots.copy_apt_settings(root)
        (root / "etc/pip.conf").write_text(self.pip)


def parse_pip_settings(listed: str) -> dict[str, dict[str, str]]:
    """The output of `pip config list` by section, without what it has from the environment."""
    settings: dict[str, dict[str, str]] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section and not section.startswith(":env:"):
            settings.setdefault(section, {})[key] = ast.literal_eval(value)
    return settings


def pip_conf(settings: Mapping[str, Mapping[str, str]]) -> str:
    lines = []
    for section, values in settings.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = " + "\n  ".join(value.split("\n")) for key, value in values.items()]
    return "\n".join([*lines, ""])


def local_folders(values: Iterable[str]) -> list[Path]:
    """What exists here of the paths in settings. An index's files lie next to it, so it comes with its parent."""
    found: dict[Path, None] = {}
    for word in " ".join(values).split():
        path = Path(unquote(urlsplit(word).path)).parent if word.startswith("file:") else Path(word)
        if path.is_absolute() and path != Path("/") and path.exists():
            found[path] = None
    return list(found)
