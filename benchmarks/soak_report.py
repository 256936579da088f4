"""What the samples of benchmarks.soak say: a table in Markdown, and a plot."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import MaskdError

WARM_UP_SHARE = 0.1
"""Of the run: what is allocated in it is not counted as growth."""
_STYLE: dict[Any, object] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
}


def report(folder: Path) -> str:
    """The table; draws soak.png into the folder as well. Raises MaskdError where the run is not there."""
    try:
        result = json.loads((folder / "result.json").read_text())
        with (folder / "samples.csv").open() as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise MaskdError(f"{folder} holds no soak that has ended ({error}); run one first") from error
    samples = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    slope, offset = growth(samples["seconds"], samples["rss_mb"])
    draw(samples, slope, offset, folder / "soak.png")
    lines = [("figure", "value"), ("---", "---"), *_figures(result, samples, slope)]
    return "\n".join(f"| {name} | {value} |" for name, value in lines)


def growth(seconds: Any, values: Any) -> tuple[float, float]:
    """Least squares past the warm-up: value per hour, and the value that the line has at 0."""
    warm = seconds >= WARM_UP_SHARE * seconds[-1]
    if np.count_nonzero(warm) < 2:  # a run of seconds
        warm = seconds >= 0
    slope, offset = np.polyfit(seconds[warm], values[warm], 1)
    return 3600 * float(slope), float(offset)


def _figures(result: dict[str, Any], samples: dict[str, Any], slope: float) -> list[tuple[str, str]]:
    rss, latency = samples["rss_mb"], result["latency_ms"]
    warm = rss[samples["seconds"] >= WARM_UP_SHARE * samples["seconds"][-1]]
    cpu = (samples["cpu_s"][-1] - samples["cpu_s"][0]) / (samples["seconds"][-1] - samples["seconds"][0])
    return [
        ("machine", result["machine"]),
        ("events", f"{result['appended']:,} in {result['seconds'] / 60:.3g} min, {result['rate']} a second"),
        ("events that did not arrive", str(result["missing"])),
        ("repeats, out of order", f"{result['repeats']}, {result['out_of_order']}"),
        ("memory after the warm-up (RSS)", f"{warm.min():.1f} to {warm.max():.1f} MB"),
        ("its growth, by least squares", f"{slope:+.2f} MB an hour"),
        ("open files, threads", f"{_span(samples['open_files'])}, {_span(samples['threads'])}"),
        ("largest depth of the outbox sampled", f"{samples['depth'].max():.0f} events"),
        ("outbox.db, its WAL", f"{_megabytes(samples['outbox_bytes'])}, {_megabytes(samples['wal_bytes'])} at most"),
        ("record", f"{_megabytes(samples['record_bytes'])} at the end"),
        ("from commit to subscriber, ms", ", ".join(f"{name} {value:g}" for name, value in latency.items())),
        ("processor", f"{100 * cpu:.1f} % of a core"),
    ]


def _span(values: Any) -> str:
    least, most = int(values.min()), int(values.max())
    return str(least) if least == most else f"{least} to {most}"


def _megabytes(values: Any) -> str:
    return f"{values.max() / 1e6:.2f} MB"


def draw(samples: dict[str, Any], slope: float, offset: float, path: Path) -> None:
    """Memory with its trend above, what waits and the size of the log below. Raises MaskdError without matplotlib."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MaskdError('matplotlib is not installed; to get the plot: pip install "maskd[tune]"') from error
    minutes = samples["seconds"] / 60
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 5.0), layout="constrained", dpi=100)
        memory, waiting = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        memory.plot(minutes, samples["rss_mb"], color="#0072B2", linewidth=1.4, label="resident memory")
        trend = offset + slope * minutes / 60
        memory.plot(minutes, trend, "--", color="#D55E00", linewidth=1.2, label=f"trend: {slope:+.2f} MB an hour")
        memory.set_ylim(0, 1.3 * samples["rss_mb"].max())
        memory.set_ylabel("MB")
        memory.legend(frameon=False)
        waiting.plot(minutes, samples["depth"], color="#009E73", linewidth=1.0, label="events not acknowledged")
        waiting.plot(minutes, samples["wal_bytes"] / 1e6, color="#CC79A7", linewidth=1.4, label="SQLite's log, MB")
        waiting.set_ylim(bottom=0)
        waiting.set_xlabel("minutes")
        waiting.legend(frameon=False)
        figure.savefig(path, format="png")
