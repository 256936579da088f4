"""Many examples of every kind of hostile input, with each engine in a process of its own: `python -m tests.fuzz`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge.system.arguments import whole_number
from tests.fuzz.targets import TARGETS

SLOW = {"video": 10}
"""Kinds of which fewer are fed, as a divisor: an example takes several times as long."""
HEADINGS = ("input", "engine", "examples", "taken", "refused", "seconds", "finding")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one engine did with one target; `finding` is the end of the output of a run that failed."""

    target: str
    engine: str
    counts: dict[str, int]
    seconds: float
    finding: str | None

    def row(self) -> tuple[str, ...]:
        taken, refused = self.counts.get("taken", 0), self.counts.get("refused", 0)
        figures = (taken + refused, taken, refused, round(self.seconds))
        return self.target, self.engine, *map(str, figures), "found, see above" if self.finding else "none"


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table; returns 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Feed maskd hostile input.")
    parser.add_argument("--examples", type=whole_number(1), default=10_000, help="of each kind (default: 10000)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="this kind alone; may be repeated")
    arguments = parser.parse_args(argv)
    engines = ["hypothesis"]
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris), so hypothesis alone feeds", file=sys.stderr)
    else:
        engines.append("atheris")
    outcomes = []
    for name in arguments.target or TARGETS:
        for engine in engines:
            outcome = run(name, engine, -(-arguments.examples // SLOW.get(name, 1)))
            outcomes.append(outcome)
            if outcome.finding:
                print(f"--- {name}, {engine} ---\n{outcome.finding}\n", file=sys.stderr)
            print(f"{name} with {engine}: {outcome.counts}, {outcome.seconds:.0f} s", file=sys.stderr, flush=True)
    for row in (HEADINGS, ("---",) * len(HEADINGS), *(outcome.row() for outcome in outcomes)):
        print(f"| {' | '.join(row)} |")
    return 1 if any(outcome.finding for outcome in outcomes) else 0


def run(name: str, engine: str, examples: int) -> Outcome:
    """In a process of its own, since a native library may take it down."""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", f"tests.fuzz.under_{engine}", name, str(examples)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    seconds = time.monotonic() - began
    last = (ended.stdout.splitlines() or [""])[-1]
    if ended.returncode == 0 and last.startswith("{"):
        return Outcome(name, engine, json.loads(last), seconds, None)
    finding = f"status {ended.returncode}\n{ended.stdout[-2000:]}\n{ended.stderr[-6000:]}"
    return Outcome(name, engine, {}, seconds, finding)


if __name__ == "__main__":
    sys.exit(main())
