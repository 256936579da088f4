from __future__ import annotations

from pathlib import Path

import pytest

from requirements.lock import GLIBC
from tests.platforms import matrix
from tests.platforms.matrix import COMBINATIONS, group_reasons
from tests.platforms.report import Outcome, matrix_table, write_between_markers


def test_every_python_is_tried_with_its_lock() -> None:
    assert {each.python for each in COMBINATIONS if each.locked} == set(GLIBC)


@pytest.mark.parametrize("checkout", ["/home/ada/maskd", "/root/maskd", "/srv/keras"])
def test_reasons_are_grouped_and_name_no_folder_of_this_machine(checkout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "CHECKOUT", Path(checkout))
    messages = [
        f"no labelled photos in {checkout}/../data; MASKD_DATA says where they are",
        "yunet.onnx is not in $MASKD_WEIGHTS or ../shared/weights",
        "could not import 'keras': No module named 'keras'",
        f"{checkout}/tests/new.py: the moon is down",
    ]
    assert group_reasons(messages) == {
        "no labelled photos or weights of others": 2,
        "no TensorFlow": 1,
        "/tests/new.py: the moon is down": 1,
    }


def test_the_table_has_a_row_for_each_combination_and_adds_up_the_reasons() -> None:
    first = Outcome("a", "2026-11-20", "Python 3.10", 10, 0, 2, 3, {"no TensorFlow": 2, "cold": 1})
    second = Outcome("b", "2026-11-21", "Python 3.11", 11, 1, 0, 1, {"cold": 1})
    lines = matrix_table([first, second]).splitlines()
    assert lines[2:4] == [
        "| `a` | Python 3.10 | 10 | 2 | 0 | 3 | 2026-11-20 |",
        "| `b` | Python 3.11 | 11 | 0 | 1 | 1 | 2026-11-21 |",
    ]
    assert lines[-2:] == ["- 2: no TensorFlow", "- 2: cold"]


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n")
    for _ in range(2):
        write_between_markers(page, "x", "new")
        assert page.read_text() == "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nb\n"
    with pytest.raises(ValueError, match="lacks the lines <!-- y: begin -->"):
        write_between_markers(page, "y", "new")
