"""A camera's zones written into config.yaml: what they become, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from edge.config.camera_zones import edited
from edge.config.yaml_edit import CannotEdit

TRIANGLE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
OTHER = [[0.0, 0.5], [1.0, 0.0], [1.0, 1.0]]
HEAD = "# mine\ncameras:\n  door:\n    source: 0  # the left one\n"
WARD = f"      ward:  # since May\n        corners: {TRIANGLE}  # measured\n        # strict\n        dwell_s: 2  # s\n"
FOOT = "    # free\n    min_score: 0.5\n"


def text(zones: str) -> str:
    return f"{HEAD}    zones:{zones}{FOOT}"


@pytest.mark.parametrize(
    ("before", "zones", "after"),
    [
        (" {}  # none\n", {"ward": {"corners": TRIANGLE}}, f"  # none\n      ward:\n        corners: {TRIANGLE}\n"),
        (
            " {}\n",
            {"ward": {"corners": TRIANGLE, "compliant": ["all"]}},
            f"\n      ward:\n        corners: {TRIANGLE}\n        compliant: [all]\n",
        ),
        (
            f" {{a: {{corners: {TRIANGLE}}}}}\n",
            {"a": {"corners": TRIANGLE}, "b": {"corners": OTHER}},
            f" {{a: {{corners: {TRIANGLE}}}, b: {{corners: {OTHER}}}}}\n",
        ),
        (
            f" {{a: {{corners: {TRIANGLE}}}, b: {{corners: {OTHER}}}}}\n",
            {"b": {"corners": OTHER}},
            f" {{b: {{corners: {OTHER}}}}}\n",
        ),
        (
            f" {{a: {{corners: {TRIANGLE}}}, b: {{corners: {OTHER}}}}}\n",
            {"a": {"corners": TRIANGLE}},
            f" {{a: {{corners: {TRIANGLE}}}}}\n",
        ),
        ("\n" + WARD, {"ward": {"corners": OTHER, "dwell_s": 2.0}}, "\n" + WARD.replace(str(TRIANGLE), str(OTHER))),
        ("\n" + WARD, {"ward": {"corners": TRIANGLE}}, "\n" + WARD.replace("dwell_s: 2 ", "dwell_s: 0.0 ")),
        ("\n" + WARD, {"icu": {"corners": TRIANGLE, "dwell_s": 2.0}}, "\n" + WARD.replace("ward", "icu")),
        ("  # mine\n" + WARD, {}, " {}  # mine\n"),
        (
            f"\n      # above\n{WARD}      # below\n      hall:\n        corners: {OTHER}\n",
            {"hall": {"corners": OTHER}},
            f"\n      # above\n      # below\n      hall:\n        corners: {OTHER}\n",
        ),
        (
            "\n      a:\n        corners:\n        - [0, 0]\n        - - 1\n          - 0\n        - [1, 1]\n",
            {"a": {"corners": OTHER}},
            f"\n      a:\n        corners: {OTHER}\n",
        ),
        (
            f"\n      a:\n        corners: {TRIANGLE}\n        compliant:\n          - with_mask\n",
            {"a": {"corners": TRIANGLE}},
            f"\n      a:\n        corners: {TRIANGLE}\n        compliant: null\n",
        ),
    ],
)
def test_only_what_differs_is_touched(before: str, zones: dict[str, Any], after: str) -> None:
    assert edited(text(before), "door", zones) == text(after)


def test_a_camera_without_zones_gets_them_below_its_other_settings() -> None:
    assert edited(f"{HEAD}\n# end\n", "door", {"a": {"corners": TRIANGLE}}) == (
        f"{HEAD}    zones:\n      a:\n        corners: {TRIANGLE}\n\n# end\n"
    )


@pytest.mark.parametrize(
    "before",
    [
        "\n      a:\n        corners:\n        - [0, 0]  # the door\n        - [1, 0]\n        - [1, 1]\n",
        "\n      a: &a\n        corners: [[0, 0], [1, 0], [1, 1]]\n      b: *a\n",
    ],
)
def test_what_would_lose_a_comment_or_another_zone_is_refused(before: str) -> None:
    with pytest.raises(CannotEdit):
        edited(text(before), "door", {"b": {"corners": OTHER}, "a": {"corners": OTHER}})
