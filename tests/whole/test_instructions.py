"""The counting of instructions: how Valgrind's files are read, and when it warns."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.callgrind import read_counts
from benchmarks.instructions import table, warnings
from benchmarks.report import BENCHMARKS, PAGE, replaced
from edge.errors import MaskdError

DUMP = """\
# callgrind format
positions: line
events: Ir
summary: 127

ob=(1) /usr/lib/libpython3.11.so
fl=(1) eval.c
fn=(1) evaluate
10 20
+1 5
cob=(2) /usr/lib/libvision.so
cfi=(2) detect.c
cfn=(2) detect
calls=3 40
* 100
* 2

ob=(2)
fl=(2)
fn=(2)
40 99
-3 1
totals: 127
"""
PARTS = {"judge": 1_000_000, "skip": 200}
HERE = {"python": "3.11.7", "numpy": "2.4.6"}


def test_a_call_counts_for_the_library_that_is_called(tmp_path: Path) -> None:
    (tmp_path / "counts.1").write_text(DUMP)
    counts = read_counts(tmp_path / "counts.1")
    assert counts.by_library == {"libpython3.11.so": 27, "libvision.so": 100}
    assert counts.total == 127


@pytest.mark.parametrize(
    ("instructions", "told"),
    [(1_049_000, None), (1_051_000, "judge: 5.1% more"), (951_000, None), (949_000, "judge: 5.1% fewer")],
)
def test_more_than_five_hundredths_are_told(instructions: int, told: str | None) -> None:
    found = warnings(PARTS | {"judge": instructions}, {"environment": HERE, "instructions": PARTS}, HERE)
    assert [line.partition(" instructions")[0] for line in found] == ([told] if told else [])


def test_a_reference_of_other_versions_is_named() -> None:
    reference = {"environment": HERE | {"numpy": "2.3.1"}, "instructions": PARTS}
    assert warnings(PARTS, reference, HERE) == []
    (_, versions) = warnings(PARTS | {"judge": 2_000_000}, reference, HERE)
    assert versions == "the reference was counted with numpy 2.3.1"


def test_the_table_compares_with_the_reference() -> None:
    rows = table({"judge": 1_100_000, "new": 5_000_000}, PARTS).splitlines()[2:]
    assert rows == ["| judge | 1.10 | 1.00 | 1.100 |", "| new | 5.00 |  |  |"]


def test_a_page_gets_what_a_benchmark_prints_between_its_marks() -> None:
    page = "# Speed\n<!-- a -->\nold\n<!-- end of a -->\nmore\n"
    assert replaced(page, "a", "new\n") == "# Speed\n<!-- a -->\n\nnew\n\n<!-- end of a -->\nmore\n"
    with pytest.raises(MaskdError, match="the page has no lines <!-- b --> and <!-- end of b -->"):
        replaced(page, "b", "new")
    for name in BENCHMARKS:
        replaced(PAGE.read_text(), name, "")
