"""`maskd tune`: thresholds for config.yaml, from labelled photos of one's own site."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode

from edge.config import Config
from edge.config.file import load_config
from edge.errors import MaskdError, UsageError
from edge.evaluation.measuring import Measured, measure
from edge.evaluation.site_photos import SitePhotos, read_site
from edge.evaluation.tuning import (
    Mistake,
    Tuning,
    Wish,
    classifier_figures,
    classifier_thresholds,
    detector_figures,
    detector_figures_by_empty_photos,
    detector_thresholds,
    tune,
)
from edge.evaluation.tuning_plot import draw_curves
from edge.evaluation.tuning_report import Report, as_json, as_text, config_values
from edge.evaluation.tuning_sentences import FEW_PHOTOS, notes
from edge.system.arguments import add_config, add_data, number, path
from edge.vision.build import build_vision
from edge.vision.pipeline import Vision
from edge.vision.thresholds import Thresholds, camera_thresholds
from edge.web.reach import page_url

DEFAULT_PLOT = Path("tune.png")
SAME_FACE_IOU = 0.5
SHOWN_MISTAKES = 5


DESCRIPTION = (
    "Measures the configured models on labelled photos of your own site, recommends thresholds and prints them as "
    "lines for config.yaml."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(
        parser,
        "labelled photos: Pascal VOC, YOLO, COCO, class folders (with_mask/, without_mask/, ...) or the empty room",
    )
    parser.add_argument(
        "--false-alarms",
        type=number(0, 10_000),
        default=1.0,
        metavar="PER_100",
        help="most false faces per 100 photos without people (default 1)",
    )
    parser.add_argument(
        "--misjudged",
        type=number(0, 100),
        default=2.0,
        metavar="PERCENT",
        help="largest share of judged faces with a wrong status, in percent (default 2)",
    )
    parser.add_argument("--plot", type=path, metavar="FILE.png", help="file for the curves (default tune.png)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    add_config(parser)


def main(args: argparse.Namespace) -> int:
    return run_tune(
        args.data,
        config_path=args.config,
        false_alarms=args.false_alarms,
        misjudged=args.misjudged,
        plot=args.plot,
        as_json_object=args.json,
        label_map=dict(args.label_map),
    )


def run_tune(
    data: Sequence[Path],
    *,
    config_path: Path | None = None,
    false_alarms: float = 1.0,
    misjudged: float = 2.0,
    plot: Path | None = None,
    as_json_object: bool = False,
    label_map: Mapping[str, str] | None = None,
) -> int:
    """Prints figures and recommendations and draws the curves; returns the exit status.

    `false_alarms` is the wish for false faces per 100 photos without people, `misjudged` for the percentage of the
    judged faces that are judged wrongly. `plot` None: DEFAULT_PLOT, if matplotlib is there. Raises MaskdError where
    nothing can be measured.
    """
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"--plot {plot}: the curves are drawn as a PNG; give a name that ends in .png")
    config = load_config(config_path)
    vision = build_vision(config)
    current = camera_thresholds(config, None, vision.recommended)
    photos = read_site(data, vision, current, label_map)
    measured = measure(photos, vision, current, config.compliance.compliant)
    tunings = []
    if measured.detected:
        tunings.append(_tune_detector(measured, vision, current, Wish("false_faces", false_alarms / 100)))
    if measured.judged:
        tunings.append(_tune_classifier(measured, vision, current, Wish("misjudged", misjudged / 100)))
    if not tunings:
        labels = ", ".join(vision.classifier.labels)
        raise MaskdError(
            f"the photos in {', '.join(map(str, data))} show no face labelled {labels}, and there are no photos "
            "without faces: nothing can be tuned"
        )
    drawn, no_plot = _try_to_draw(tunings, plot or DEFAULT_PLOT, data)
    report = _report(data, photos, measured, tunings, config, vision, drawn)
    if as_json_object:
        print(json.dumps(as_json(report)))
    else:
        print(as_text(report))
        if report.config:
            print(f"\nTo try them on the live picture first, open the page:\n\n{_address(config, report)}")
        if drawn is not None:
            print(f"\nThe curves are drawn in {drawn}.")
        print(f"\n{photos.read.not_looked_at_text()}")
    if no_plot is not None:
        print(f"maskd: {no_plot}", file=sys.stderr)
    return 1 if no_plot is not None and plot is not None else 0


def _address(config: Config, report: Report) -> str:
    """Of the page, with what is recommended for its sliders. A null has none: it follows from the others."""
    query = [
        (f"{section}.{key}", f"{value:g}")
        for section, values in report.config.items()
        for key, value in values.items()
        if value is not None
    ]
    web = config.web
    here = f"{'http' if web.tls is None else 'https'}://127.0.0.1:{web.port}{web.base_path}/"
    return f"{page_url(config) or here}?{urlencode(query)}"


def _tune_detector(measured: Measured, vision: Vision, current: Thresholds, wish: Wish) -> Tuning:
    false_faces = [
        Mistake(photo.path, float(photo.matches.scores[~photo.matches.correct].max()))
        for photo in measured.detected
        if not photo.matches.correct.all()
    ]
    return tune(
        measured.detected,
        detector_figures if measured.without_faces < FEW_PHOTOS else detector_figures_by_empty_photos,
        detector_thresholds(),
        setting=("detector", "min_score"),
        model=vision.detector.identity,
        current=current.min_score,
        wish=wish,
        useful="recall",
        surest_mistakes=_surest(false_faces),
    )


def _tune_classifier(measured: Measured, vision: Vision, current: Thresholds, wish: Wish) -> Tuning:
    misjudged = [
        Mistake(photo.path, float(photo.confidence[~photo.right].max()))
        for photo in measured.judged
        if not photo.right.all()
    ]
    return tune(
        measured.judged,
        classifier_figures,
        classifier_thresholds(len(vision.classifier.labels)),
        setting=("classifier", "min_confidence"),
        model=vision.classifier.identity,
        current=current.min_confidence,
        wish=wish,
        useful="judged",
        surest_mistakes=_surest(misjudged),
    )


def _surest(mistakes: list[Mistake]) -> list[Mistake]:
    return sorted(mistakes, key=lambda mistake: -mistake.score)[:SHOWN_MISTAKES]


def _try_to_draw(tunings: Sequence[Tuning], path: Path, data: Sequence[Path]) -> tuple[Path | None, str | None]:
    """Where the curves were drawn, or why they were not: the figures are worth printing without them."""
    if any(path.resolve().is_relative_to(folder.resolve()) for folder in data):
        return (
            None,
            (
                f"no curves are drawn: the next run would read them as a photo in {path.resolve().parent}; give "
                "--plot FILE.png"
            ),
        )
    try:
        return draw_curves(tunings, path), None
    except MaskdError as error:
        return None, str(error)


def _report(
    data: Sequence[Path],
    site: SitePhotos,
    measured: Measured,
    tunings: Sequence[Tuning],
    config: Config,
    vision: Vision,
    plot: Path | None,
) -> Report:
    labels = vision.classifier.labels
    counts = Counter(face.label for face in site.faces)
    faces = {label: counts[label] for label in (*labels, *sorted(set(counts) - set(labels)))}
    return Report(
        data=data,
        photos=len(site.boxed) + len(site.portraits),
        photos_without_faces=measured.without_faces,
        faces=faces,
        problems=site.problems,
        notes=notes(tunings, faces, labels, measured.without_faces),
        tunings=tunings,
        plot=plot,
        config=config_values(tunings, config.detector.low_score),
        taken=site.read.taken_lines(),
        not_looked_at=site.read.not_looked_at,
    )
