"""/metrics: what Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.payloads.reports import Status, Totals
from edge.payloads.view_fault import VIEW_FAULTS
from edge.web.live import Live
from edge.web.measurements import BUCKETS_S, Histogram, Measured, Measurements


class Metrics:
    def __init__(
        self,
        status: Callable[[], Status],
        totals: Callable[[], Sequence[Totals]],
        measurements: Measurements,
        live: Live,
    ) -> None:
        """`totals`: as they were published last, in `aggregate` at the end of a window."""
        self._status = status
        self._totals = totals
        self._measurements = measurements
        self._live = live

    async def metrics(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await run_in_threadpool(self._encoded, encode), headers={"Content-Type": content_type})

    def _encoded(self, encode: Callable[[CollectorRegistry], bytes]) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        status = self._status()
        families = [*_families(status, self._totals(), self._measurements.measured([*status.cameras]))]
        families.append(_gauge("maskd_page_viewers", "Browsers that watch.", [], [([], self._live.viewers)]))
        families.append(_counter("maskd_page_pictures", "Pictures encoded for them.", [], [([], self._live.pictures)]))
        registry.register(_Once(families))
        return encode(registry)


class _Once(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families

    def describe(self) -> Iterable[Metric]:
        return []


def _families(status: Status, totals: Sequence[Totals], measured: Measured) -> Iterator[Metric]:
    yield from _of_device(status)
    yield from _of_cameras(status)
    yield from _of_outbox(status)
    yield _counter("maskd_visits", "People who came.", ["camera"], [([t.camera], t.visits) for t in totals])
    yield _counter(
        "maskd_violations",
        "People who at some time broke the rule.",
        ["camera"],
        [([t.camera], t.violations) for t in totals],
    )
    yield from _of_people(measured)


def _of_device(status: Status) -> Iterator[Metric]:
    info = {"version": status.version, "detector": status.models.detector, "classifier": status.models.classifier}
    yield InfoMetricFamily("maskd", "The running maskd.", {**info, "device": status.device, "privacy": status.privacy})
    yield _gauge("maskd_uptime_seconds", "Since maskd was started.", [], [([], status.uptime_s)])
    yield _gauge("maskd_problems", "What needs attention; the status says what.", [], [([], len(status.problems))])
    if status.temperature_c is not None:
        yield _gauge("maskd_temperature_celsius", "Of the processor.", [], [([], status.temperature_c)])


def _of_cameras(status: Status) -> Iterator[Metric]:
    cameras = status.cameras.items()
    yield _gauge("maskd_camera_enabled", "1: switched on.", ["camera"], [([n], c.enabled) for n, c in cameras])
    yield _gauge("maskd_camera_connected", "1: pictures come.", ["camera"], [([n], c.connected) for n, c in cameras])
    yield _gauge("maskd_camera_fps", "Pictures judged a second.", ["camera"], [([n], c.fps) for n, c in cameras])
    yield _gauge(
        "maskd_camera_view_fault",
        "1: this is wrong with the picture.",
        ["camera", "fault"],
        [([n, fault], fault in c.view) for n, c in cameras for fault in VIEW_FAULTS],
    )
    yield _counter(
        "maskd_frames",
        "Pictures taken since the camera was switched on.",
        ["camera"],
        [([n], c.frames) for n, c in cameras],
    )
    yield _counter(
        "maskd_frames_dropped",
        "Pictures that a newer one replaced before they were judged.",
        ["camera"],
        [([n], c.dropped) for n, c in cameras],
    )


def _of_outbox(status: Status) -> Iterator[Metric]:
    outbox, mqtt = status.outbox, status.mqtt
    yield _gauge("maskd_outbox_depth", "Events that the broker has not acknowledged.", [], [([], outbox.depth)])
    yield _gauge("maskd_outbox_withheld", "Those kept by privacy: aggregate.", [], [([], outbox.withheld)])
    if status.privacy == "events":
        age = outbox.oldest_unsent_s or 0
        yield _gauge("maskd_outbox_oldest_seconds", "Age of the oldest of them; 0: there is none.", [], [([], age)])
    yield _counter("maskd_outbox_lost", "Events given up since the outbox was made.", [], [([], outbox.lost)])
    yield _counter("maskd_broker_connections", "Times connected to the broker.", [], [([], mqtt.connections)])
    yield _counter("maskd_broker_acknowledged", "Events that the broker took.", [], [([], mqtt.acknowledged)])
    yield _counter("maskd_broker_refused", "Events that the broker turned down.", [], [([], mqtt.refused)])


def _of_people(measured: Measured) -> Iterator[Metric]:
    """Empty in `aggregate`, except for the stage `detect`."""
    stages = HistogramMetricFamily("maskd_stage_seconds", "Latency of each stage.", labels=["camera", "stage"])
    for (camera, stage), histogram in sorted(measured.stages.items()):
        stages.add_metric([camera, stage], _buckets(histogram), histogram.total)
    yield stages
    yield _gauge(
        "maskd_people",
        "People who are there now.",
        ["camera", "status"],
        [([*labels], count) for labels, count in sorted(measured.people.items())],
    )
    yield _counter(
        "maskd_events",
        "Events since the start.",
        ["camera", "type", "status"],
        [([*labels], count) for labels, count in sorted(measured.events.items())],
    )
    yield _counter(
        "maskd_zone_events",
        "Events in a zone since the start; one in two zones counts in both.",
        ["camera", "zone", "type", "status"],
        [([*labels], count) for labels, count in sorted(measured.zone_events.items())],
    )
    yield from _of_zones(measured)


def _of_zones(measured: Measured) -> Iterator[Metric]:
    """Empty in `aggregate`."""
    yield _gauge(
        "maskd_zone_people",
        "People who are in a zone now.",
        ["camera", "zone"],
        [([*labels], count) for labels, count in sorted(measured.zone_people.items())],
    )
    visits = sorted(measured.zone_visits.items())
    yield _counter(
        "maskd_zone_visits",
        "Stays of announced people in a zone that have ended, since the start.",
        ["camera", "zone"],
        [([*labels], each.visits) for labels, each in visits],
    )
    yield _counter(
        "maskd_zone_violations",
        "Those of them in which the rule was broken.",
        ["camera", "zone"],
        [([*labels], each.violations) for labels, each in visits],
    )
    yield _counter(
        "maskd_zone_stay_seconds",
        "Their length together; divided by the visits it is the mean.",
        ["camera", "zone"],
        [([*labels], each.seconds) for labels, each in visits],
    )


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    names = [*(f"{limit:g}" for limit in BUCKETS_S), "+Inf"]
    return [*zip(names, map(float, accumulate(histogram.counts)), strict=True)]


Samples = Sequence[tuple[list[str], float]]


def _gauge(name: str, about: str, labels: list[str], samples: Samples) -> Metric:
    return _filled(GaugeMetricFamily(name, about, labels=labels), samples)


def _counter(name: str, about: str, labels: list[str], samples: Samples) -> Metric:
    return _filled(CounterMetricFamily(name, about, labels=labels), samples)


def _filled(family: Any, samples: Samples) -> Metric:
    for labels, value in samples:
        family.add_metric(labels, value)
    filled: Metric = family
    return filled
