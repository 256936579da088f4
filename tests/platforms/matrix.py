"""The test-suite on other Pythons and libraries: `make matrix`.

Environments are kept in the user's cache folder. The tests of training and conversion skip for want of TensorFlow,
which `make test` brings along; those of faults and of systems take long and have commands of their own. What fails is
tried once more by itself, since some tests give a busy machine too little time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.platforms.report import Outcome, matrix_table, today, write_between_markers
from tests.platforms.versions import VERSIONS

CHECKOUT = Path(__file__).parent.parent.parent
LEFT_OUT = ("tests/faults", "tests/system")


@dataclass(frozen=True, slots=True)
class Combination:
    name: str
    python: str
    install: tuple[str, ...] = ()
    """Options and packages for uv pip install, beside maskd's own."""
    locked: bool = False
    remove: tuple[str, ...] = ()


COMBINATIONS = (
    Combination("locked-3.10", "3.10", locked=True),
    Combination("locked-3.11", "3.11", locked=True),  # numpy 1 and OpenCV 4.11
    Combination("locked-3.12", "3.12", locked=True),
    Combination("locked-3.13", "3.13", locked=True),
    Combination("oldest", "3.10", ("--resolution", "lowest-direct")),
    Combination("tflite-runtime-3.10", "3.10", ("tflite-runtime", "numpy<2"), remove=("ai-edge-litert",)),
    Combination("tflite-runtime-3.11", "3.11", ("tflite-runtime", "numpy<2"), remove=("ai-edge-litert",)),
    Combination("opencv-4", "3.12", ("opencv-python-headless<5", "numpy>=2")),
)


def main() -> int:
    names = [combination.name for combination in COMBINATIONS]
    parser = argparse.ArgumentParser(description="Run the test-suite on other Pythons and libraries.")
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all of them by default")
    parser.add_argument("--report", type=Path, metavar="FILE", help="a page whose table is written anew")
    args = parser.parse_args()
    if unknown := set(args.only) - set(names):
        parser.error(f"there is no combination {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "/var/tmp") / "maskd-matrix"
    cache.mkdir(parents=True, exist_ok=True)
    failures, missing = [], []
    for combination in COMBINATIONS:
        if args.only and combination.name not in args.only:
            continue
        python = make_environment(combination, cache / combination.name)
        if python is None:
            print(f"{combination.name}: there is no Python {combination.python} on PATH", flush=True)
            missing.append(combination.name)
            continue
        outcome = run_tests(combination, python, cache)
        (cache / f"{combination.name}.json").write_text(json.dumps(asdict(outcome)))
        print(
            f"{outcome.name}: {outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped", flush=True
        )
        if outcome.failed:
            failures.append(str(cache / f"{combination.name}.log"))
    if args.report:
        kept = [cache / f"{name}.json" for name in names]
        outcomes = [Outcome(**json.loads(path.read_text())) for path in kept if path.exists()]
        write_between_markers(args.report, "matrix", matrix_table(outcomes))
    if failures:
        print(f"what failed stands in {', '.join(failures)}")
    if missing:
        print(f"not tried for want of their Pythons: {', '.join(missing)}")
    return 1 if failures or missing else 0


def make_environment(combination: Combination, folder: Path) -> Path | None:
    """Its interpreter; None where this machine has no such Python. Ends the program where a package cannot be had."""
    made = _run(
        "uv", "venv", "--quiet", "--clear", "--no-python-downloads", "--python", combination.python, str(folder)
    )
    if made.returncode != 0:
        return None
    python = folder / "bin/python"
    lock = f"requirements/python{combination.python}-{platform.machine()}.txt"
    test_tools = ["--constraint", lock] if combination.locked else []
    steps = [["install", *combination.install, "--editable", "."]]
    if combination.locked:
        steps = [["install", "--require-hashes", "--only-binary", ":all:", "--requirement", lock]]
    # What is there already stays.
    steps.append(["install", *test_tools, "--editable", ".[test]"])
    steps += [["uninstall", name] for name in combination.remove]
    for verb, *arguments in steps:
        done = _run("uv", "pip", verb, "--quiet", "--python", str(python), *arguments)
        if done.returncode != 0:
            sys.exit(f"{combination.name}: the packages cannot be had:\n{done.stderr}")
    return python


def run_tests(combination: Combination, python: Path, cache: Path) -> Outcome:
    results, log = cache / f"{combination.name}.xml", cache / f"{combination.name}.log"
    versions = _run(str(python), "-c", VERSIONS).stdout.strip()
    print(f"{combination.name}: {versions}", flush=True)
    command = [
        str(python),
        "-m",
        "pytest",
        "-o",
        f"cache_dir={cache / combination.name}-cache",
        f"--junitxml={results}",
    ]
    command += [f"--ignore={folder}" for folder in LEFT_OUT]
    log.unlink(missing_ok=True)
    cases = _run_suite([*command, "-n", "4"], log, results)
    failed = len(_failed(cases))
    again = len(_failed(_run_suite([*command, "--last-failed"], log, results))) if failed else 0
    skips = [skip.get("message", "") for case in cases if (skip := case.find("skipped")) is not None]
    return Outcome(
        name=combination.name,
        date=today(),
        versions=versions,
        passed=len(cases) - again - len(skips),
        failed=again,
        busy=failed - again,
        skipped=len(skips),
        reasons=group_reasons(skips),
    )


def _run_suite(command: Sequence[str], log: Path, results: Path) -> list[ET.Element]:
    """Its test cases. Raises FileNotFoundError where pytest did not get as far as a result."""
    results.unlink(missing_ok=True)
    with log.open("a") as output:
        subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    return list(ET.parse(results).getroot().iter("testcase"))


def _failed(cases: Sequence[ET.Element]) -> list[ET.Element]:
    return [case for case in cases if case.find("failure") is not None or case.find("error") is not None]


REASONS = (
    (r"MASKD_DATA|MASKD_WEIGHTS|labelled photos|/weights/", "no labelled photos or weights of others"),
    (r"keras|tensorflow|maskd\[(train|convert)\]|converter's packages|Keras models", "no TensorFlow"),
    (r"GStreamer", "OpenCV's wheels have no GStreamer"),
    (r"\broot\b", "root may do everything"),
    (r"make (system|arm64)-test", "have commands of their own"),
    (r"tflite-runtime works with|no runtime|is not installed: .*(litert|tflite)", "the other runtime is not installed"),
)


def group_reasons(messages: Sequence[str]) -> dict[str, int]:
    """Each reason in a few words, with how many tests were skipped for it, the commonest first."""
    counts: Counter[str] = Counter()
    for message in messages:
        reason = message.replace(str(CHECKOUT), "")  # the checkout's own path may look like a reason
        known = (words for pattern, words in REASONS if re.search(pattern, reason))
        counts[next(known, reason.splitlines()[0])] += 1
    return dict(counts.most_common())


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
