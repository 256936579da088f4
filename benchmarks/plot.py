"""A plot of a benchmark's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge.errors import MaskdError


def lines_plot(path: Path, places: Sequence[float], curves: Mapping[str, Sequence[float]], *, x: str, y: str) -> None:
    """One line for each of `curves`, over `places`, on a logarithmic scale. Raises MaskdError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MaskdError('matplotlib is not installed; to get the plot: pip install "maskd[tune]"') from error
    figure = Figure(figsize=(7.2, 4.2), layout="constrained", dpi=100)
    axes = figure.subplots()
    for name, values in curves.items():
        axes.plot(places, values, marker="o", label=name)
    axes.set_yscale("log")
    axes.set_xticks(places)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(frameon=False)
    figure.savefig(path, format="png")
