"""Rewrites the tables of docs/performance.md: `python -m benchmarks.report`, or --only some of them.

Each table is what one benchmark prints, between two marks in the page. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import MaskdError

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BENCHMARKS: Mapping[str, Sequence[str]] = {
    "stages": ("benchmarks.stages",),
    "peers": ("benchmarks.peers",),
    "scale": ("benchmarks.scale",),
    "start": ("benchmarks.start",),
    "delivery": ("benchmarks.delivery",),
    "instructions": ("benchmarks.instructions",),
    "cameras": ("benchmarks.cameras",),
    "memory": ("benchmarks.memory",),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description="Rewrite the tables of docs/performance.md."
    )
    parser.add_argument("--only", choices=BENCHMARKS, nargs="+", default=[*BENCHMARKS], help="default: all")
    parser.add_argument("--weights", metavar="DIR", help="where the files of the other detectors lie")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="default: docs/performance.md")
    args = parser.parse_args(argv)
    try:
        for name in args.only:
            command = [sys.executable, "-m", *BENCHMARKS[name]]
            if name == "peers" and args.weights:
                command += ["--weights", args.weights]
            text = args.page.read_text()
            args.page.write_text(replaced(text, name, output_of(command)))
    except MaskdError as error:
        print(f"benchmarks.report: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def output_of(command: Sequence[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise MaskdError(f"`{' '.join(command)}` failed; see its output above")
    return done.stdout


def replaced(page: str, name: str, output: str) -> str:
    """The page with this output between the marks of `name`. Raises MaskdError where it has none."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise MaskdError(f"the page has no lines {begin} and {end}; put them where the table is to be")
    return f"{before}{begin}\n\n{output.strip()}\n\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
