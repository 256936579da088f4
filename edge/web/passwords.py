"""Passwords and tokens as they are kept: hashes alone, from which neither can be read back."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from edge.errors import UsageError

SCRYPT_N = 2**15
SCRYPT_R = 8
SCRYPT_P = 3
"""The second of OWASP's recommended settings for scrypt: 32 MiB, and about 0.3 s on a PC for each guess."""
SCRYPT_BYTES = 128 * SCRYPT_N * SCRYPT_R + 2**20
"""What scrypt needs, and some room."""
KEY_BYTES = 32
LEAST_LENGTH = 8
MOST_BYTES = 1024


def check_password(password: str) -> None:
    """Raises UsageError where it is not fit to be one."""
    if len(password) < LEAST_LENGTH:
        raise UsageError(f"the password has {len(password)} characters; choose one with at least {LEAST_LENGTH}")
    if len(password.encode()) > MOST_BYTES:
        raise UsageError(f"the password is longer than {MOST_BYTES} bytes; choose a shorter one")


def password_hash(password: str) -> str:
    """`scrypt$<salt>$<key>` in hexadecimal. Takes a third of a second and 32 MiB."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def fits(password: str, kept: str) -> bool:
    """Whether `kept` is a hash of this password. Takes as long as making one."""
    kind, _, rest = kept.partition("$")
    salt, _, key = rest.partition("$")
    try:
        return kind == "scrypt" and hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)), bytes.fromhex(key))
    except ValueError:
        return False


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """A token is random and long: no slow hash is needed to keep it from being guessed."""
    return "sha256$" + hashlib.sha256(token.encode()).hexdigest()


def token_fits(token: str, kept: str) -> bool:
    return hmac.compare_digest(token_hash(token), kept)


def _scrypt(password: str, salt: bytes) -> bytes:
    data = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, maxmem=SCRYPT_BYTES, dklen=KEY_BYTES)
