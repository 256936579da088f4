"""Feeds a target with atheris, which changes inputs so that they reach new lines of `edge`:
`python -m tests.fuzz.under_atheris TARGET EXAMPLES` prints the counts as JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["edge"]):
    from tests.fuzz.targets import TARGETS


def main(name: str, examples: int) -> None:
    target = TARGETS[name]
    counts: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp(prefix="maskd-fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for index, seed in enumerate(target.seeds(folder)):
        (corpus / str(index)).write_bytes(seed)

    def feed(data: bytes) -> None:
        counts["taken" if target.feed(data, folder) else "refused"] += 1
        if counts.total() >= examples:
            # libFuzzer ends the process without a word to Python, so the last word is spoken here.
            print(json.dumps(counts), flush=True)
            os._exit(0)

    # Five seconds for one example, and two gigabytes: more is a defect, whose input is left in the current folder.
    options = ["-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=0", "-verbosity=0", "-len_control=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
