"""`maskd password`: who may use the page."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from edge.config import Config
from edge.config.file import find_config, load_config
from edge.control.audit_note import note
from edge.errors import MaskdError, UsageError
from edge.system.arguments import add_config, name
from edge.web.logins import FILE_NAME, MOST_TOKENS, Logins, read_logins, write_logins
from edge.web.passwords import MOST_BYTES, check_password, new_token, password_hash, token_hash

DESCRIPTION = (
    "Sets the password of the page, which is off without one: asks for it, or reads one line from standard input. Only "
    "a hash is kept, in storage.path. A running maskd takes it over at once."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--view", action="store_true", help="the view-only password: it may change nothing")
    parser.add_argument(
        "--token", type=name, metavar="NAME", help="print a new token instead, for a machine such as Prometheus"
    )
    parser.add_argument("--remove", action="store_true", help="remove the password, or the token of this name")
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    return run_password(args.config, view=args.view, token=args.token, remove=args.remove)


def run_password(config_path: Path | None, *, view: bool, token: str | None, remove: bool) -> int:
    """Asks for a password, or reads one line from standard input, and keeps its hash; prints a new token for `token`.

    Returns the exit status. Raises UsageError for a password that is too short, MaskdError where it cannot be kept.
    """
    config = load_config(config_path or find_config())
    path = config.storage.path / FILE_NAME
    logins = read_logins(path)
    if token is not None:
        write_logins(path, _with_token(logins, token, remove=remove))
        note(config, f"page.token.{token}", None, "removed" if remove else "made")
        return 0
    kept = None if remove else password_hash(_asked(view))
    write_logins(path, logins.model_copy(update={"view" if view else "owner": kept}))
    note(config, "page.view_password" if view else "page.password", None, "removed" if remove else "set")
    name = "the view-only password" if view else "the password"
    print(f"{name} was removed" if remove else f"{name} is set; {_where(config)}")
    return 0


def _with_token(logins: Logins, name: str, *, remove: bool) -> Logins:
    """Prints the token, which is shown this once."""
    tokens = dict(logins.tokens)
    if remove:
        if tokens.pop(name, None) is None:
            known = ", ".join(sorted(tokens)) or "none"
            raise UsageError(f"there is no token {name!r}; known: {known}")
        print(f"the token {name} was removed")
        return logins.model_copy(update={"tokens": tokens})
    if name not in tokens and len(tokens) >= MOST_TOKENS:
        raise UsageError(f"there are {MOST_TOKENS} tokens already; remove one with --token NAME --remove")
    secret = new_token()
    tokens[name] = token_hash(secret)
    print(secret)
    print(
        "This token is shown only now. Send it as `Authorization: Bearer TOKEN`; it gives access to /metrics, /readyz "
        "and /api, for reading.",
        file=sys.stderr,
    )
    return Logins.model_validate({**logins.model_dump(), "tokens": tokens})


def _asked(view: bool) -> str:
    """Raises UsageError where it is not fit to be one, MaskdError where none comes."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline(MOST_BYTES + 2).rstrip("\r\n")
        if not password:
            raise UsageError("standard input has no password; give it as one line, or run the command in a terminal")
        check_password(password)
        return password
    try:
        password = getpass.getpass(f"New {'view-only ' if view else ''}password for the page: ")
        check_password(password)
        if getpass.getpass("The same again: ") != password:
            raise UsageError("the two passwords differ; nothing was changed")
    except EOFError:
        raise MaskdError("no password was given; nothing was changed") from None
    return password


def _where(config: Config) -> str:
    web = config.web
    if not web.enabled:
        return "the page stays off, because web.enabled is false"
    from edge.web.server import page_address

    scheme = "http" if web.tls is None else "https"
    return f"while maskd runs, the page is at {scheme}://{page_address(web)}{web.base_path}/"
