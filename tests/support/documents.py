"""What the pages in docs/ show."""

from __future__ import annotations

import re

from tests.support.places import ROOT

DOCS = ROOT / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The examples of a page that are marked as of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
