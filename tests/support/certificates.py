"""Authorities and certificates, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import need

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
FUTURE = ("20900101000000Z", "20910101000000Z")
PAST = ("20200101000000Z", "20210101000000Z")
PRESENT = ("20200101000000Z", "20910101000000Z")


@dataclass(frozen=True, slots=True)
class Pair:
    cert: Path
    key: Path


class Authority:
    """Signs certificates; all files are in its folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.cert = folder / "ca.pem"
        openssl(
            folder, "req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", f"/CN={name}"
        )
        (folder / "index").touch()
        (folder / "serial").write_text("01\n")
        (folder / "ca.conf").write_text(
            "[ca]\ndefault_ca = it\n[it]\ndatabase = index\nserial = serial\nnew_certs_dir = .\ncertificate = ca.pem\n"
            "private_key = ca.key\ndefault_md = sha256\npolicy = any\nunique_subject = no\n"
            "[any]\ncommonName = supplied\n"
        )

    def sign(
        self, subject: str, *, names: str = "DNS:localhost,IP:127.0.0.1", valid: tuple[str, str] = PRESENT
    ) -> Pair:
        """A certificate for these alternative names, valid from and to these moments."""
        number = (self.folder / "serial").read_text().strip()
        pair = Pair(self.folder / f"{subject}-{number}.pem", self.folder / f"{subject}-{number}.key")
        openssl(self.folder, "req", *KEY, "-keyout", str(pair.key), "-out", "request", "-subj", f"/CN={subject}")
        (self.folder / "names").write_text(f"subjectAltName={names}\n")
        times = ("-startdate", valid[0], "-enddate", valid[1])
        files = ("-in", "request", "-out", str(pair.cert), "-extfile", "names")
        openssl(self.folder, "ca", "-batch", "-notext", "-config", "ca.conf", *times, *files)
        return pair


def self_signed(folder: Path) -> Pair:
    folder.mkdir(parents=True)
    names = ("-addext", "subjectAltName=DNS:localhost")
    openssl(folder, "req", "-x509", *KEY, "-keyout", "own.key", "-out", "own.pem", "-subj", "/CN=localhost", *names)
    return Pair(folder / "own.pem", folder / "own.key")


def openssl(folder: Path, *arguments: str) -> None:
    need("openssl")
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
