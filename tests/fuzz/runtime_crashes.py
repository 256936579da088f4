"""What the TFLite runtime does with a damaged model whose manifest has the matching hash: how often it takes the whole
process down. `python -m tests.fuzz.runtime_crashes` prints the counts; nothing is asserted, since only the hash guards.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from edge.errors import MaskdError
from edge.system.arguments import whole_number
from edge.vision.model import find_model
from edge.vision.tflite import load_interpreter
from tests.fuzz.edits import BYTE_EDITS

HANG_S = 10
_REFUSED, _RAN, _RAISED = 10, 11, 12


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.runtime_crashes", description=__doc__)
    parser.add_argument("--examples", type=whole_number(1), default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    model = find_model("mask-classifier")[0].read_bytes()
    load_interpreter(model)  # so that the children start with the runtime loaded
    numbers = random.Random(arguments.seed)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.examples):
            edit = numbers.choice(BYTE_EDITS)
            # The root lies at the beginning, the graph's tables near the end, and weights in between.
            begin = numbers.choice((0, 0, len(model) * 9 // 10))
            place = numbers.randrange(begin, len(model))
            where = numbers.choice((2 * place + 1, numbers.randrange(2**8)))
            counts[outcome(edit(model, where, numbers.randrange(2**16)), Path(folder))] += 1
    for what, count in counts.most_common():
        print(f"{what}: {count} ({100 * count / arguments.examples:.1f} %)")
    return 0


def outcome(content: bytes, folder: Path) -> str:
    """Loads the model and runs it once, in a child process."""
    child = os.fork()
    if child == 0:
        _run_and_exit(content, folder)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status < 0:
        return "hung" if -status == signal.SIGALRM else f"killed by {signal.Signals(-status).name}"
    return {_REFUSED: "refused in words", _RAN: "ran", _RAISED: "another exception"}.get(
        status, f"exit status {status}"
    )


def _run_and_exit(content: bytes, folder: Path) -> None:
    os.dup2(os.open(folder / "noise", os.O_WRONLY | os.O_CREAT), 2)
    signal.alarm(HANG_S)
    status = _RAISED
    try:
        interpreter = load_interpreter(content)
        interpreter.run(np.zeros(interpreter.input.shape, interpreter.input.dtype))
        status = _RAN
    except MaskdError:
        status = _REFUSED
    finally:
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
