"""Commits events until it is killed, and reports each commit on stdout.

`python -m tests.support.outbox_writer FOLDER`
"""

from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path

from edge.store.outbox import Outbox
from tests.support.transitions import drafts, transition


def main() -> None:
    outbox = Outbox(Path(sys.argv[1]), max_events=100_000, max_bytes=100_000_000)
    outbox.open()
    for event in outbox.recover(time.time()):
        print(event.seq, event.type, event.track, flush=True)
    for number in count():
        track = f"{time.time_ns()}-{number}"
        for kind in ("started", "ended"):
            for event in outbox.append(drafts(transition(kind, track=track))):
                print(event.seq, event.type, event.track, flush=True)


if __name__ == "__main__":
    main()
