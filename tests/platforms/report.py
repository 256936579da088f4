"""Tables in docs/platforms.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from tests.platforms.answers import DETECTORS, MODELS, Answers
from tests.platforms.differences import Tensors, compare_detections, most_steps


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    date: str
    versions: str
    passed: int
    failed: int
    busy: int
    """Of those that passed, how many did only when tried again by themselves."""
    skipped: int
    reasons: dict[str, int]
    """Why tests were skipped, and how many."""


def write_between_markers(path: Path, name: str, text: str) -> None:
    """Raises ValueError where the file has no place for it."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found_begin, rest = path.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{path} lacks the lines {begin} and {end}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def today() -> str:
    return datetime.now(timezone.utc).date().isoformat()


def arm64_table(release: str, x86: Answers, arm: Answers, outputs: Mapping[str, Mapping[str, Tensors]]) -> str:
    """`outputs`: by processor of aarch64 and model."""
    lines = [
        f"{today()}, Debian {release.capitalize()}, on both: {arm.versions}.",
        "",
        "| detector | pictures | faces on x86-64 | on one side only | other status | the same to the last digit "
        "| box edge, at most | score | probability |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for detector in DETECTORS:
        for (asked, group), detections in x86.detections.items():
            if asked != detector:
                continue
            found = compare_detections(detections, arm.detections[asked, group])
            pictures = f"{found.pictures} of `{group}`" if group != "clip" else f"{found.pictures} of the project's own"
            lines.append(
                f"| `{detector}` | {pictures} | {found.faces} | {found.only_one_saw} | {found.other_status} "
                f"| {found.identical} | {found.edge_px:.2f} px, {found.edge_share:.1%} of the face "
                f"| {found.score:.4f} | {found.probability:.4f} |"
            )
    lines += [
        "",
        "| model | emulated processor | outputs differ by at most | outputs that differ |",
        "|---|---|---|---|",
    ]
    for model in MODELS:
        for processor, by_model in outputs.items():
            steps, share = most_steps(x86.outputs[model], by_model[model])
            lines.append(f"| `{model}` | {processor} | {steps} quantization steps | {share:.2%} |")
    return "\n".join(lines)


def matrix_table(outcomes: Sequence[Outcome]) -> str:
    lines = ["| name | with | passed | at the second try | failed | skipped | on |", "|---|---|---|---|---|---|---|"]
    reasons: Counter[str] = Counter()
    for outcome in outcomes:
        lines.append(
            f"| `{outcome.name}` | {outcome.versions} | {outcome.passed} | {outcome.busy} | {outcome.failed} "
            f"| {outcome.skipped} | {outcome.date} |"
        )
        reasons.update(outcome.reasons)
    lines += ["", "Skipped, in all of them together:", ""]
    lines += [f"- {count}: {reason}" for reason, count in reasons.most_common()]
    return "\n".join(lines)
