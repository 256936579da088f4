"""What a command on this device has changed, told to the daemon, or noted for it where none is running."""

from __future__ import annotations

import logging
import os
import pwd
import time
from contextlib import suppress

from edge.config import Config
from edge.config.difference import Difference
from edge.control.audit import FOLDER_NAME, By, line
from edge.control.local_door import ask
from edge.errors import MaskdError
from edge.store.monthly_file import MonthlyFile

_log = logging.getLogger(__name__)


def note(config: Config, setting: str, old: str | None, new: str | None) -> None:
    """Raises nothing: a change is not undone because it could not be noted."""
    who = _who()
    try:
        ask(config, "audit", setting=setting, old=old, new=new, who=who)
    except MaskdError:  # none is running, or not one that this user may ask
        _append(config, setting, old, new, who)


def _append(config: Config, setting: str, old: str | None, new: str | None, who: str) -> None:
    folder = config.storage.path / FOLDER_NAME
    try:
        MonthlyFile(folder).append(
            [line(Difference(setting, old, new), By("command line", who), time.time())], time.time()
        )
        _give_to_owner_of_state(config)
    except OSError as error:
        _log.warning("the change is in effect, but could not be noted in %s: %s", folder, error.strerror or error)


def _who() -> str:
    """The user who ran the command, also by sudo."""
    name = os.environ.get("SUDO_USER")
    if name is None:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = str(os.getuid())
    return name


def _give_to_owner_of_state(config: Config) -> None:
    """Where root ran the command: the daemon, another user, goes on in the same files."""
    if os.geteuid() != 0:
        return
    owner = config.storage.path.stat()
    folder = config.storage.path / FOLDER_NAME
    for path in (folder, *folder.iterdir()):
        with suppress(OSError):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
