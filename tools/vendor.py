"""`make vendor`: fetches what the page takes from npm, in the versions and by the checksums below, with licences."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "edge" / "web" / "static" / "vendor"


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str
    sha512: str
    """Of npm's archive, in base64."""
    files: dict[str, str]
    """Name here by the name in the archive."""


PACKAGES = (
    Package(
        "htm",
        "3.1.1",
        "983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ==",
        {"preact/standalone.module.js": "preact.js", "LICENSE": "htm.LICENSE"},
    ),
    # Its code is inside htm's standalone module; its licence comes from here.
    Package(
        "preact",
        "10.9.0",
        "jO6/OvCRL+OT8gst/+Q2ir7dMybZAX8ioP02Zmzh3BkQMHLyqZSujvxbUriXvHi8qmhcHKC2Gwbog6Kt+YTh+Q==",
        {"LICENSE": "preact.LICENSE"},
    ),
    Package(
        "uplot",
        "1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        {
            "dist/uPlot.iife.min.js": "uPlot.iife.min.js",
            "dist/uPlot.min.css": "uPlot.min.css",
            "LICENSE": "uPlot.LICENSE",
        },
    ),
)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            archive = fetch(package, Path(folder))
            with tarfile.open(archive) as tar:
                for inside, name in package.files.items():
                    member = tar.extractfile(f"package/{inside}")
                    assert member is not None
                    (FOLDER / name).write_bytes(member.read())
                    print(FOLDER / name)


def fetch(package: Package, folder: Path) -> Path:
    """Ends the program where npm is missing, or gives something else."""
    try:
        done = subprocess.run(
            ["npm", "pack", "--json", f"{package.name}@{package.version}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        sys.exit("vendor: npm is missing; install it (Debian: npm)")
    except subprocess.CalledProcessError as error:
        sys.exit(f"vendor: npm cannot fetch {package.name} {package.version}:\n{error.stderr}")
    archive = folder / str(json.loads(done.stdout)[0]["filename"])
    got = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if got != package.sha512:
        sys.exit(f"vendor: {package.name} {package.version} has the checksum {got}, and {package.sha512} was expected")
    return archive


if __name__ == "__main__":
    main()
