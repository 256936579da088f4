"""`maskd run` on a machine that is tampered with.

    python -m tests.faults.daemon_process CLOCK BOOT MACHINE -c config.yaml

CLOCK is a file that holds one float64, the seconds by which time.time() is wrong; BOOT one with the id of the machine's
latest start; MACHINE one with a number that tells machines apart.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from pathlib import Path


def machine_mark(folder: Path, root: Path = Path("/")) -> int:
    return int(Path(sys.argv[3]).read_text())


def main() -> int:
    clock = os.open(sys.argv[1], os.O_RDONLY | os.O_CLOEXEC)
    true_time = time.time
    time.time = lambda: true_time() + struct.unpack("d", os.pread(clock, 8, 0))[0]
    from edge.cli import main as maskd  # now, so that nothing has taken hold of the true clock
    from edge.store import origin, seq_file

    seq_file._boot_id = Path(sys.argv[2]).read_text
    origin.machine_mark = machine_mark
    return maskd(["run", *sys.argv[4:]])


if __name__ == "__main__":
    sys.exit(main())
