"""What a backup may hold. A name that is not one of these is not written anywhere."""

from __future__ import annotations

import re

SCHEMA = "maskd.backup/1"
MANIFEST = "manifest.json"
CONFIG = "config.yaml"
STATE = "state/"
"""Before the names of files in `storage.path`."""
SECRETS = "secrets/"
DATABASE, SEQ, ACTIONS = "outbox.db", "seq", "actions.db"
PLAIN = ("overrides.json", "totals.json", "logins.json", "announced.json", "resend.json")
"""Small files of the state."""
SECRET_STATE = ("page.pem",)
"""Only with secrets: it holds a private key."""
FOLDERS = ("record", "audit", "uptime", "places")
LARGEST_FILE = 4_000_000_000
LARGEST_SMALL = 20_000_000
"""Of everything but the database and the lines of the folders."""
MOST_FILES = 20_000
_LINES = re.compile(
    r"(record/\d{4}-\d{2}-\d{2}|(audit|uptime)/\d{4}-\d{2})\.jsonl|audit/last\.json|places/\d{4}-\d{2}-\d{2}\.json"
)
_SECRET = re.compile(r"[a-z][A-Za-z0-9._-]{0,120}")


def is_known(name: str) -> bool:
    """Of a member of the archive, apart from the manifest."""
    if name == CONFIG:
        return True
    if name.startswith(SECRETS):
        return _SECRET.fullmatch(name.removeprefix(SECRETS)) is not None
    if not name.startswith(STATE):
        return False
    state = name.removeprefix(STATE)
    return state in (DATABASE, SEQ, ACTIONS, *PLAIN, *SECRET_STATE) or _LINES.fullmatch(state) is not None


def largest(name: str) -> int:
    is_large = name in (STATE + DATABASE, STATE + ACTIONS) or name.endswith(".jsonl")
    return LARGEST_FILE if is_large else LARGEST_SMALL
