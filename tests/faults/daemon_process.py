"""`maskd run` with a wall clock that can be stepped: `python -m tests.faults.daemon_process CLOCK -c config.yaml`.

CLOCK is a file that holds one float64, the seconds by which time.time() is wrong.
"""

from __future__ import annotations

import os
import struct
import sys
import time


def main() -> int:
    clock = os.open(sys.argv[1], os.O_RDONLY | os.O_CLOEXEC)
    true_time = time.time
    time.time = lambda: true_time() + struct.unpack("d", os.pread(clock, 8, 0))[0]
    from edge.cli import main as maskd  # now, so that nothing has taken hold of the true clock

    return maskd(["run", *sys.argv[2:]])


if __name__ == "__main__":
    sys.exit(main())
