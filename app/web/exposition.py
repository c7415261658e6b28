"""`/metrics` in Prometheus text: what the process does, what the engine counted, what each source delivers.

    synoptic_build_info{version}                     1
    synoptic_ready                                   1 when stored data is loaded
    synoptic_viewers                                 open live streams
    synoptic_stream_messages_total, _bytes_total     what the live stream sent
    synoptic_stream_ticks_total                      ticks sent
    synoptic_stream_tick_seconds                     time the last tick took to build, encode and pack
    synoptic_quality{counter}                        the counters of /api/v1/quality
    synoptic_source_up{source,kind}                  1 when the source is ok
    synoptic_source_rate_per_second{source}, synoptic_source_lag_seconds{source}
    synoptic_source_events_total{source,counter}     the counters of the source
    synoptic_source_in_flight{source,figure}         bytes of requests not answered yet, and the most there were
    synoptic_slo_*, synoptic_slos{state}             the SLOs: app/web/slo_metrics.py
    synoptic_<name>                                  further figures of the process, and process_* and python_*
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from app.views import Json, Views
from app.web.options import Meta
from app.web.push import Broadcast
from app.web.slo_metrics import slo_metrics


class Exposition:
    """A registry of its own, filled when asked."""

    media_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, views: Views, broadcast: Broadcast, meta: Meta) -> None:
        self._views, self._broadcast, self._meta = views, broadcast, meta
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """The whole exposition."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are not checked at registration, since the engine may not be ready to be asked."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Every figure of the module's docstring, as it is now."""
        yield InfoMetricFamily("synoptic_build", "The version that runs.", {"version": self._meta.version})
        yield GaugeMetricFamily("synoptic_ready", "1 when stored data is loaded.", float(self._views.ready()))
        yield from self._stream()
        yield _labelled("synoptic_quality", "Counters of /api/v1/quality.", self._views.quality())
        yield from _sources(self._views.sources())
        yield from slo_metrics(self._views.slos())
        for name, value in sorted(self._meta.figures().items()):
            yield GaugeMetricFamily(f"synoptic_{name}", "A figure of the process.", value)

    def _stream(self) -> Iterable[Metric]:
        live = self._broadcast
        yield GaugeMetricFamily("synoptic_viewers", "Open live streams.", live.viewers)
        yield CounterMetricFamily("synoptic_stream_messages", "Messages sent to viewers.", live.messages)
        yield CounterMetricFamily("synoptic_stream_bytes", "Bytes sent to viewers.", live.bytes)
        yield CounterMetricFamily("synoptic_stream_ticks", "Ticks sent.", live.ticks)
        yield GaugeMetricFamily("synoptic_stream_tick_seconds", "Build, encode and pack one tick.", live.tick_s)


def _labelled(name: str, help_text: str, counters: Mapping[str, object]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=["counter"])
    for counter, value in sorted(counters.items()):
        if isinstance(value, int | float):
            family.add_metric([counter], float(value))
    return family


def _sources(sources: list[Json]) -> Iterable[Metric]:
    up = GaugeMetricFamily("synoptic_source_up", "1 when the source is ok.", labels=["source", "kind"])
    rate = GaugeMetricFamily("synoptic_source_rate_per_second", "Items a second.", labels=["source"])
    lag = GaugeMetricFamily("synoptic_source_lag_seconds", "Age of the newest data.", labels=["source"])
    events = CounterMetricFamily("synoptic_source_events", "Counters of a source.", labels=["source", "counter"])
    held = GaugeMetricFamily("synoptic_source_in_flight", "Bytes not answered yet.", labels=["source", "figure"])
    for source in sources:
        up.add_metric([source["name"], source["kind"]], float(source["state"] == "ok"))
        for family, value in ((rate, source.get("rate_per_s")), (lag, source.get("lag_s"))):
            if value is not None:
                family.add_metric([source["name"]], value)
        for counter, value in sorted(source.get("counters", {}).items()):
            if isinstance(value, int | float):
                (held if counter.startswith("in_flight") else events).add_metric([source["name"], counter], value)
    return up, rate, lag, events, held
