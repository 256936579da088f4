"""Instructions for each picture, counted by Valgrind: `python -m benchmarks.instructions`.

Other load on the machine changes them by less than a thousandth, so they show changes that no clock could. They are not
time: an instruction that waits for memory counts like any other. Valgrind knows no AVX-512, so the networks run by AVX2
at most, and take more instructions than on a processor that has it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.callgrind import Counts, read_counts
from benchmarks.instructions_workload import PARTS, Part
from edge.errors import MaskdError

REFERENCE = Path(__file__).parent / "reference" / "instructions.json"
TOLERANCE = 0.05
_LIBRARIES = ("ai-edge-litert", "av", "numpy", "opencv-python-headless", "pydantic")
_WORKLOAD = (sys.executable, "-m", "benchmarks.instructions_workload")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.instructions", description="Count the instructions that each picture takes."
    )
    parser.add_argument("--update", action="store_true", help=f"write the counts into {REFERENCE.name}")
    parser.add_argument("--libraries", action="store_true", help="show how the counts spread over the libraries")
    args = parser.parse_args(argv)
    try:
        counts = count()
    except MaskdError as error:
        print(f"benchmarks.instructions: {error}", file=sys.stderr)
        return error.exit_status
    found = {part.what: round(each.total / part.pictures) for part, each in counts.items()}
    reference = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    print(table(found, reference.get("instructions", {})))
    if args.libraries:
        print(library_table(counts))
    for warning in warnings(found, reference, environment()):
        print(f"warning: {warning}")
    if args.update:
        REFERENCE.parent.mkdir(exist_ok=True)
        REFERENCE.write_text(json.dumps({"environment": environment(), "instructions": found}, indent=2) + "\n")
    return 0


def count() -> dict[Part, Counts]:
    """The counts of each part that counts, by library. Raises MaskdError where Valgrind is missing or fails."""
    if shutil.which("valgrind") is None:
        raise MaskdError("valgrind is not installed; install it, on Debian with `sudo apt install valgrind`")
    own = os.environ | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    own.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling maskd would be half of the start
    _run(_WORKLOAD, own)  # compiles it
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        _run(("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-before=getppid", *_WORKLOAD), own)
        return {
            part: read_counts(out.with_name(f"counts.{number}"))
            for number, part in enumerate(PARTS, start=1)
            if part.is_counted
        }


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MaskdError(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")


def environment() -> dict[str, str]:
    """What the counts depend on, apart from maskd."""
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def table(found: Mapping[str, int], reference: Mapping[str, int]) -> str:
    rows = ["| part | million instructions | reference | ratio |", "|---|--:|--:|--:|"]
    for what, instructions in found.items():
        before = reference.get(what)
        compared = f"{before / 1e6:.2f} | {instructions / before:.3f}" if before else " | "
        rows.append(f"| {what} | {instructions / 1e6:.2f} | {compared} |")
    return "\n".join([*rows, ""])


def library_table(counts: Mapping[Part, Counts]) -> str:
    """Of each part, the libraries with at least a hundredth of the instructions."""
    rows = ["| part | library | million instructions |", "|---|---|--:|"]
    for part, each in counts.items():
        rows += [
            f"| {part.what} | {library} | {instructions / part.pictures / 1e6:.2f} |"
            for library, instructions in each.by_library.most_common()
            if instructions >= each.total / 100
        ]
    return "\n".join([*rows, ""])


def warnings(found: Mapping[str, int], reference: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    """A sentence for each part that takes over `TOLERANCE` more or less than the reference."""
    before = reference.get("instructions", {})
    found_warnings = []
    for what, instructions in found.items():
        change = instructions / before[what] - 1 if what in before else 0.0
        if abs(change) > TOLERANCE:
            found_warnings.append(
                f"{what}: {abs(change):.1%} {'more' if change > 0 else 'fewer'} instructions than the reference; if "
                "that is meant, write the new reference with `make instructions UPDATE=1`"
            )
    others = [f"{name} {value}" for name, value in reference.get("environment", {}).items() if now.get(name) != value]
    if found_warnings and others:
        found_warnings.append(f"the reference was counted with {', '.join(others)}")
    return found_warnings


if __name__ == "__main__":
    sys.exit(main())
