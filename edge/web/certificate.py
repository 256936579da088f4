"""The page's own TLS certificate: made once, by the program openssl, and kept in the state folder."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Collection
from pathlib import Path

from edge.errors import MaskdError
from edge.system.atomic_file import write_own_file

FILE_NAME = "page.pem"
"""Below `storage.path`: the key, then the certificate."""
DAYS = 3650
OPENSSL_S = 30


def own_certificate(folder: Path, names: Collection[str]) -> Path:
    """The file of key and certificate, which is made for these host names where there is none. Raises MaskdError."""
    path = folder / FILE_NAME
    if path.exists():
        return path
    alternatives = ",".join([*(f"DNS:{name}" for name in sorted(names)), "IP:127.0.0.1", "IP:::1"])
    with tempfile.TemporaryDirectory() as scratch:
        key, certificate = Path(scratch, "key.pem"), Path(scratch, "certificate.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-sha256", "-days", str(DAYS), "-subj", f"/CN={socket.gethostname()[:64]}"]
        command += ["-addext", f"subjectAltName={alternatives}", "-addext", "extendedKeyUsage=serverAuth"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=OPENSSL_S, check=False, env=dict(os.environ)
            )
        except (OSError, subprocess.TimeoutExpired):
            raise MaskdError(
                "the program openssl, which makes its certificate, cannot be run; install openssl, or set "
                "web.tls.cert_file"
            ) from None
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise MaskdError(f"openssl cannot make its certificate: {last}; set web.tls.cert_file")
        try:
            write_own_file(path, key.read_bytes() + certificate.read_bytes(), mode=0o600)
        except OSError as error:
            raise MaskdError(f"{path} cannot be written: {error.strerror or error}; check that disk") from None
    return path
