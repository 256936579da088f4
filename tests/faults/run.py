"""Plays rounds of faults and tells how they went: `python -m tests.faults.run --rounds 200 --seed 1`."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tests.faults.catalogue import PAIRS, SINGLE
from tests.faults.disk import Disk, best_disk
from tests.faults.fault import Fault
from tests.faults.report import table, write_between_markers
from tests.faults.rig import Rig
from tests.faults.rounds import Result, Trial
from tests.support.programs import find_program

IN_OWN_NAMESPACE = "MASKD_FAULTS_IN_OWN_NAMESPACE"


@dataclass(frozen=True, slots=True)
class Job:
    """Rounds that one rig lives through, one after another."""

    folder: Path
    seed: int
    rounds: tuple[tuple[int, str], ...]
    """Number and fault."""
    protocol: str
    disk: Disk
    patient: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 where every round passed."""
    args = _parser().parse_args(argv)
    if find_program("mosquitto") is None:
        print("mosquitto is not installed; every round needs it", file=sys.stderr)
        return 2
    _enter_own_namespace()
    faults = _chosen(args.fault, pairs=args.pairs)
    disk = best_disk()
    left_out = [fault.name for fault in faults if fault.expect.disk > disk]
    faults = [fault for fault in faults if fault.name not in left_out]
    if not faults:
        print("no right to mount a disk here, which all of these faults need", file=sys.stderr)
        return 2
    rounds = args.rounds or len(faults)
    folder = Path(args.folder or tempfile.mkdtemp(prefix="maskd-faults-"))
    print(f"{rounds} rounds over {len(faults)} faults, seed {args.seed}, in {folder}", flush=True)
    begin = time.monotonic()
    results = play(
        plan(faults, args.seed, range(args.first, args.first + rounds)),
        folder=folder,
        seed=args.seed,
        jobs=args.jobs,
        disk=disk,
        patient=not args.brief,
    )
    report = table(results, seed=args.seed, minutes=(time.monotonic() - begin) / 60, left_out=left_out)
    print(report)
    if args.report:
        write_between_markers(args.report, report)
    failed = [result for result in results if result.problems]
    for result in failed:
        print(f"\nround {result.number} ({result.fault}), seed {args.seed}:")
        print("\n".join(f"  - {problem}" for problem in result.problems))
    if failed:
        print(
            f"\nthe rigs of these rounds are kept in {folder}; to play a round again, give the same arguments, "
            "and --first NUMBER --rounds 1"
        )
        return 1
    shutil.rmtree(folder)
    return 0


def plan(faults: Sequence[Fault], seed: int, numbers: range) -> list[tuple[int, str]]:
    """Which fault each round has: all of them in a random order, then all of them again."""
    planned = []
    for number in numbers:
        turn, place = divmod(number - 1, len(faults))
        order = random.Random(f"{seed}/order/{turn}").sample(faults, len(faults))
        planned.append((number, order[place].name))
    return planned


def play(
    rounds: Sequence[tuple[int, str]], *, folder: Path, seed: int, jobs: int, disk: Disk, patient: bool
) -> list[Result]:
    """All rounds, on `jobs` rigs side by side; in order of their numbers. `disk`: for the faults that need one."""
    on_disk = {fault.name for fault in (*SINGLE, *PAIRS) if fault.expect.disk is not Disk.ORDINARY}
    queue = []
    for index in range(jobs):
        for kind in {Disk.ORDINARY, disk}:
            mine = tuple(r for r in rounds if (r[1] in on_disk) is (kind is not Disk.ORDINARY))[index::jobs]
            name = f"rig-{index + 1}{'' if kind is Disk.ORDINARY else '-disk'}"
            protocol = "3.1.1" if (index + bool(kind)) % 2 else "auto"
            if mine:
                queue.append(Job(folder / name, seed, mine, protocol, kind, patient))
    queue.sort(key=lambda job: len(job.rounds), reverse=True)
    results: list[Result] = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(run_job, job) for job in queue]):
            results += future.result()
    return sorted(results, key=lambda result: result.number)


def run_job(job: Job) -> list[Result]:
    """A rig that had a problem is left as it is, and a new one plays the rest."""
    faults = {fault.name: fault for fault in (*SINGLE, *PAIRS)}
    results: list[Result] = []
    left = list(job.rounds)
    attempt = 0
    while left:
        attempt += 1
        folder = job.folder.with_name(f"{job.folder.name}-{attempt}")
        rig = Rig(folder, protocol=job.protocol, disk=job.disk)
        with rig:
            trial = Trial(rig, job.seed, patient=job.patient)
            try:
                trial.warm_up()
            except AssertionError as error:
                return [*results, Result(left[0][0], "none: the daemon does not even start", problems=[str(error)])]
            while left:
                number, name = left.pop(0)
                results.append(_told(trial.play(faults[name], number)))
                if results[-1].problems:
                    break
            if not results[-1].problems:
                results.append(_told(trial.finish(results[-1].number)))
            if results[-1].problems and rig.disk is not None:
                shutil.copytree(
                    rig.storage, folder / "storage-as-it-was", ignore=shutil.ignore_patterns("ballast", "*.sock")
                )
    return results


def _told(result: Result) -> Result:
    verdict = "; ".join(result.problems)[:2000] if result.problems else "ok"
    print(
        f"round {result.number:3d}  {result.fault:55s} {result.events:4d} events {result.repeats:3d} repeats "
        f"{result.quiet_s:5.1f} s to quiet  {verdict}",
        flush=True,
    )
    return result


def _chosen(names: Sequence[str], *, pairs: bool) -> list[Fault]:
    known = [*SINGLE, *PAIRS]
    if not names:
        return known if pairs else [*SINGLE]
    exactly = [fault for fault in known if fault.name in names]
    chosen = exactly or [fault for fault in known if any(name in fault.name for name in names)]
    if not chosen:
        sys.exit("no fault is called so; there are: " + "; ".join(fault.name for fault in known))
    return chosen


def _enter_own_namespace() -> None:
    """Starts this program again where it may mount a small disk, and where every process that it starts ends with it.
    Where neither is allowed it stays."""
    if IN_OWN_NAMESPACE in os.environ or shutil.which("unshare") is None:
        return
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    for kind in (["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"], ["--mount"]):
        command = ["unshare", *as_root, *kind]
        if subprocess.run([*command, "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0:
            os.environ[IN_OWN_NAMESPACE] = "1"
            sys.stdout.flush()
            os.execvp("unshare", [*command, sys.executable, "-m", "tests.faults.run", *sys.argv[1:]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.run", description=__doc__)
    parser.add_argument("--rounds", type=int, help="how many (one of each fault)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    parser.add_argument("--first", type=int, default=1, help="number of the first round (1), to play one again")
    parser.add_argument("--jobs", type=int, default=2, help="devices side by side (2)")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME", help="only this one, or those with NAME in it"
    )
    parser.add_argument("--pairs", action="store_true", help="two faults at once as well")
    parser.add_argument("--brief", action="store_true", help="no fault lasts longer than a few seconds")
    parser.add_argument("--report", type=Path, metavar="FILE", help="Markdown file whose table is replaced")
    parser.add_argument("--folder", metavar="DIR", help="where the rigs work; kept where a round failed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
