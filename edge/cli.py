"""The command `maskd`: its commands and their arguments, nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from edge.errors import MaskdError
from edge.system.arguments import CommandParser, add_data, number, path, whole_number
from edge.system.standard_streams import OutputError, StandardStreams

# Each command imports what it needs when it runs, so that `maskd --help` answers at once on a slow board.


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line; returns the exit status: 141 where the reader of what is printed has gone, as for other
    programs."""
    streams = StandardStreams()
    try:
        try:
            args = _parser().parse_args(argv)
            status: int = args.run(args)
        finally:
            streams.flush()
    except MaskdError as error:
        streams.complain(f"maskd: {error}")
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except OutputError as error:
        streams.give_up_output()
        if isinstance(error.reason, BrokenPipeError):
            return 141  # the reader has gone, as `head` does
        streams.complain(f"maskd: the output cannot be written: {error.reason.strerror}")
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="maskd",
        description="Watches cameras, finds faces, decides how each person wears a mask, publishes events over MQTT.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="the daemon", description="Runs the daemon until it is stopped.")
    _add_config(run, "./config.yaml, then /etc/maskd/config.yaml, then the defaults")
    run.set_defaults(run=_run)

    detect = commands.add_parser(
        "detect",
        help="find faces and masks in photos, videos or a camera's picture",
        description="Finds faces in photos, videos or a camera's picture, and prints how each wears a mask.",
    )
    detect.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a photo, a video, a folder of them, a pattern such as 'photos/*.jpg', or a camera: "
        "auto, demo, 0, /dev/video0, rtsp://...",
    )
    detect.add_argument("--json", action="store_true", help="print one JSON object per photo or video frame")
    detect.add_argument(
        "--out", type=path, metavar="DIR", help="write copies with boxes and labels drawn to this folder"
    )
    detect.add_argument("--min-score", type=number(0, 1), metavar="X", help="the lowest score of a face, 0 to 1")
    _add_threads(detect)
    _add_config(detect, "the defaults")
    detect.set_defaults(run=_detect)

    demo = commands.add_parser(
        "demo",
        help="everything on this one machine",
        description="Plays a built-in clip through the real daemon and an embedded broker, and prints the events.",
    )
    demo.set_defaults(run=_demo)

    events = commands.add_parser(
        "events",
        help="print recent events from the local record",
        description="Prints the events recorded on this device, sent or not; a table of the last ones by default.",
    )
    events.add_argument("-f", "--follow", action="store_true", help="then print new ones, until Ctrl-C")
    events.add_argument(
        "--since",
        metavar="WHEN",
        help=(
            "only events since then: 30m, 2h, 7d, 15:00, 2026-11-20 or 2026-11-20T15:00, local time unless a Z follows"
        ),
    )
    events.add_argument("--json", action="store_true", help="print the recorded lines, one JSON object each")
    events.add_argument("--camera", metavar="NAME", help="only events of this camera")
    events.add_argument(
        "-n", "--last", type=whole_number(1), metavar="N", help="only the last N (default 50, all with --since)"
    )
    _add_config(events, "./config.yaml, then /etc/maskd/config.yaml, then the defaults")
    events.set_defaults(run=_events)

    status = commands.add_parser(
        "status",
        help="how the running daemon is doing",
        description="Asks the running daemon about cameras, models, outbox and problems; the exit status is 1 if it "
        "names a problem, 3 if none is running.",
    )
    status.add_argument("--json", action="store_true", help="print the status as it is published, one JSON object")
    _add_config(status, "the first of the usual places, or the defaults")
    status.set_defaults(run=_status)

    check = commands.add_parser(
        "check",
        help="check that configuration, models, cameras and broker work",
        description=(
            "Tries everything that the configuration names, without changing anything; the exit status is 1 if "
            "anything fails."
        ),
    )
    check.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    _add_config(check, "./config.yaml, then /etc/maskd/config.yaml, then the defaults")
    check.set_defaults(run=_check)

    purge = commands.add_parser(
        "purge",
        help="clear what the broker retains for this device",
        description="Clears every retained message of this device at the broker, including Home Assistant's "
        "entities, before you remove or rename the device.",
    )
    purge.add_argument("--force", action="store_true", help="even while maskd is running under this name")
    _add_config(purge, "./config.yaml, then /etc/maskd/config.yaml, then the defaults")
    purge.set_defaults(run=_purge)

    config = commands.add_parser("config", help="the configuration", description="Explains the configuration.")
    views = config.add_subparsers(metavar="WHAT", required=True)
    show = views.add_parser("show", help="print the settings in effect, with secrets masked")
    _add_config(show, "./config.yaml, then /etc/maskd/config.yaml, then the defaults")
    show.set_defaults(run=_config_show)
    schema = views.add_parser("schema", help="print the JSON Schema of config.yaml, for editors")
    schema.set_defaults(run=_config_schema)
    table = views.add_parser("table", help="every setting with its values and when it takes effect, in Markdown")
    table.set_defaults(run=_config_table)

    bench = commands.add_parser(
        "bench",
        help="measure the latency of each stage on this device",
        description="Measures how long each stage of vision takes on this device.",
    )
    bench.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    _add_threads(bench)
    bench.add_argument(
        "--repeat", type=whole_number(1), default=50, metavar="N", help="pictures per stage (default 50)"
    )
    bench.add_argument("--delegate", metavar="NAME", help="edgetpu, or the path of another delegate's library")
    bench.set_defaults(run=_bench)

    tune = commands.add_parser(
        "tune",
        help="find thresholds for config.yaml, from labelled photos of your site",
        description="Measures the configured models on labelled photos of your own site, recommends thresholds and "
        "prints them as lines for config.yaml.",
    )
    add_data(
        tune,
        "labelled photos: Pascal VOC, YOLO, COCO, class folders (with_mask/, without_mask/, ...) or the empty room",
    )
    tune.add_argument(
        "--false-alarms",
        type=number(0, 10_000),
        default=1.0,
        metavar="PER_100",
        help="most false faces per 100 photos without people (default 1)",
    )
    tune.add_argument(
        "--misjudged",
        type=number(0, 100),
        default=2.0,
        metavar="PERCENT",
        help="largest share of judged faces with a wrong status, in percent (default 2)",
    )
    tune.add_argument("--plot", type=path, metavar="FILE.png", help="file for the curves (default tune.png)")
    tune.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    _add_config(tune, "./config.yaml, then /etc/maskd/config.yaml, then the defaults")
    tune.set_defaults(run=_tune)
    return parser


def _add_config(parser: argparse.ArgumentParser, otherwise: str) -> None:
    parser.add_argument("-c", "--config", type=path, metavar="FILE", help=f"config.yaml (default: {otherwise})")


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=whole_number(1, 64), metavar="N", help="CPU threads for each model, 1 to 64")


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: importlib.metadata is slow to import."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib import metadata

        try:
            version = metadata.version("maskd")
        except metadata.PackageNotFoundError:
            version = "(not installed; run from a checkout)"
        print(f"maskd {version}")
        parser.exit()


def _run(args: argparse.Namespace) -> int:
    from edge.config.file import find_config, load_config
    from edge.daemon.run import run

    path = args.config or find_config()
    return run(load_config(path), path)


def _detect(args: argparse.Namespace) -> int:
    from edge.commands.detect import run_detect

    return run_detect(
        args.sources,
        as_json=args.json,
        out=args.out,
        min_score=args.min_score,
        threads=args.threads,
        config_path=args.config,
    )


def _demo(_: argparse.Namespace) -> int:
    from edge.commands.demo.demo import run_demo

    return run_demo()


def _events(args: argparse.Namespace) -> int:
    from edge.commands.events import run_events

    return run_events(
        args.config,
        follow=args.follow,
        since=args.since,
        as_json=args.json,
        camera=args.camera,
        count=args.last,
    )


def _status(args: argparse.Namespace) -> int:
    from edge.commands.status import run_status

    return run_status(args.config, as_json=args.json)


def _check(args: argparse.Namespace) -> int:
    from edge.commands.check import run_check

    return run_check(args.config, as_json=args.json)


def _purge(args: argparse.Namespace) -> int:
    from edge.commands.purge import run_purge

    return run_purge(args.config, force=args.force)


def _config_show(args: argparse.Namespace) -> int:
    from edge.config.show import run_config_show

    return run_config_show(args.config)


def _config_schema(_: argparse.Namespace) -> int:
    from edge.config.editor_schema import editor_schema_text

    print(editor_schema_text(), end="")
    return 0


def _config_table(_: argparse.Namespace) -> int:
    from edge.config.table import settings_table

    print(settings_table(), end="")
    return 0


def _bench(args: argparse.Namespace) -> int:
    from edge.commands.bench import run_bench

    return run_bench(as_json=args.json, threads=args.threads, repeat=args.repeat, delegate=args.delegate)


def _tune(args: argparse.Namespace) -> int:
    from edge.commands.tune import run_tune

    return run_tune(
        args.data,
        config_path=args.config,
        false_alarms=args.false_alarms,
        misjudged=args.misjudged,
        plot=args.plot,
        as_json_object=args.json,
        label_map=dict(args.label_map),
    )


if __name__ == "__main__":
    sys.exit(main())
