"""How pictures of plots are made and look, and how names are written on them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import MaskdError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Told apart with every common colour blindness: Okabe & Ito, "Color Universal Design", 2008."""
LINES = ("-", "--", "-.", ":")
GREY = "#767676"

STYLE: dict[Any, object] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "savefig.dpi": 120,
    # Titles and captions hold file names, where a dollar sign is just that.
    "text.parse_math": False,
}

CAPTION_LETTERS = 24


@contextmanager
def picture(path: Path, width: float, height: float, layout: str | None = "constrained") -> Iterator[Figure]:
    """A figure of this size in inches, which is written to `path` at the end of the block."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MaskdError(
            f"the picture {path} cannot be drawn without matplotlib; run: pip install matplotlib"
        ) from error
    with mpl.rc_context(STYLE):
        # A Figure of its own, without pyplot, is drawn by Agg: it needs no screen, and nothing keeps it in memory.
        figure = Figure(figsize=(width, height), layout=layout)  # type: ignore[arg-type]
        yield figure
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with warnings.catch_warnings():
                # A file name in a script that the font lacks is drawn as empty squares.
                warnings.filterwarnings("ignore", message="Glyph .* missing from")
                figure.savefig(path, format="png")
        except OSError as error:
            raise MaskdError(
                f"the picture {path} cannot be written ({error.strerror or error}); choose another folder"
            ) from error


def two_lines(name: str) -> str:
    """A label over two lines or three, so that it fits next to its neighbours."""
    return printable(name.replace("_", "\n"))


def short(text: str) -> str:
    """The beginning and the end of a text that is too long for a caption."""
    text = printable(text)
    if len(text) <= CAPTION_LETTERS:
        return text
    head = CAPTION_LETTERS // 3
    return f"{text[:head]}…{text[len(text) - (CAPTION_LETTERS - head - 1) :]}"


def printable(text: str) -> str:
    """File names may contain bytes that are not text; a font cannot draw those."""
    return text.encode("utf-8", "replace").decode("utf-8")
