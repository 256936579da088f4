"""The folders of edge/ lie in layers: an import goes down, never up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.places import ROOT

LAYERS = (
    {"errors", "geometry", "system"},
    {"payloads"},
    {"config"},
    {"camera", "vision", "demo_clip", "selftest"},
    {"view"},
    {"people", "evaluation"},
    {"rules"},
    {"store"},
    {"mqtt"},
    {"report"},
    {"homeassistant", "outputs"},
    {"control"},
    {"web"},
    {"daemon"},
    {"checks"},
    {"commands"},
    {"cli"},
)
"""From the bottom to the top; docs/architecture.md lists them with their jobs."""
PURE = {
    "edge.camera.address": "what an address says",
    "edge.camera.source": "what `source` says",
    "edge.camera.source_masking": "what of it is secret",
    "edge.people.transition": "what happened to a person",
}
"""Modules of a higher layer that need nothing of it, and may be imported from below."""


def imported(path: Path) -> Iterator[str]:
    """Modules that are imported when this one runs; those for type checkers alone are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def folder_of(path: Path) -> str:
    first, *rest = path.relative_to(ROOT / "edge").parts
    return first if rest else path.stem


def test_no_import_goes_up() -> None:
    height = {folder: index for index, layer in enumerate(LAYERS) for folder in layer}
    upward = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sorted((ROOT / "edge").rglob("*.py"))
        if path != ROOT / "edge" / "__init__.py"
        for module in imported(path)
        if module.startswith("edge.") and module not in PURE
        if height[module.split(".")[1]] > height[folder_of(path)]
    ]
    assert upward == []


def test_what_may_be_imported_from_below_imports_nothing_above_it() -> None:
    allowed = (*PURE, "edge.errors", "edge.geometry", "edge.system", "edge.payloads", "edge.camera.")
    for module in PURE:
        path = (ROOT / module.replace(".", "/")).with_suffix(".py")
        assert [name for name in imported(path) if name.startswith("edge.") and not name.startswith(allowed)] == []


def test_the_daemon_knows_neither_the_converter_nor_the_training_and_never_tensorflow() -> None:
    forbidden = ("converter", "training", "tensorflow", "keras")
    for path in (ROOT / "edge").rglob("*.py"):
        assert [name for name in imported(path) if name.split(".")[0] in forbidden] == [], path
