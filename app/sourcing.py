"""How the intake of a source is made: what all of them share, and what is its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from app.examples import ExampleBook
from app.house import House
from app.intake import OTLP, OtlpIntake, Parts
from app.intakes import Intakes
from app.kinds import Collector
from app.remembered import Remembered
from app.settings import Settings
from collectors.otlp.config import Config as OtlpConfig
from collectors.otlp.decoding import SpanDecoder
from collectors.otlp.resources import Identify, read
from topology.choosing import Chooser, Quota
from topology.histogram import Ladder
from topology.journal import Journal
from topology.model import Resource
from topology.pairing import Bounds, FailureRules, Pairing
from topology.rollup import SeriesTable

LATE_LIMIT_S = 8 * 86400.0
"""Spans that were asked for count however old they are, up to the longest that is caught up with."""
SEGMENT_BYTES = 16 << 20


@dataclass(frozen=True)
class Common:
    """What the intakes of all sources share."""

    settings: Settings
    otlp: OtlpConfig
    house: House
    bounds: Bounds
    series: SeriesTable
    scale: Ladder
    mask: Callable[[str], str]
    who: Identify

    def intakes(self, journal: Journal) -> Intakes:
        """One intake for the services that send spans themselves, with this journal, and one for every other source
        of spans that is on, with a journal in a folder of its own beside it."""
        own = self._intake(OTLP, journal, self.settings.pairing.late_limit_s)
        others = {name: self._of(name, collector, journal) for name, collector in self.settings.collectors.items()
                  if collector.enabled and hasattr(collector.config, "spans_apart_s")}
        return Intakes(own, others)

    def _of(self, name: str, collector: Collector, beside: Journal) -> OtlpIntake:
        settings = self.settings.journal
        journal = Journal(beside.directory / quote(name, safe=""), sync=settings.sync == "group",
                          segment_bytes=min(SEGMENT_BYTES, settings.segment_size_bytes),
                          max_bytes=settings.max_size_bytes)
        asked = hasattr(collector.config, "pace")
        late_limit_s = LATE_LIMIT_S if asked else self.settings.pairing.late_limit_s
        return self._intake(name, journal, late_limit_s, collector.config.spans_apart_s,
                            Remembered(name) if asked else None)

    def _intake(self, source: str, journal: Journal, late_limit_s: float, apart_s: float = 0.0,
                remembered: Remembered | None = None) -> OtlpIntake:
        settings, rules = self.settings, failure_rules(self.settings)
        decoder = SpanDecoder(secrets.randbits(128), self.bounds.max_strings, rules.protected_names,
                              self.house.asks_for_ports)
        horizon_s = settings.pairing.horizon_s + apart_s
        pairing = Pairing(decoder.strings, self._resource_of(decoder), self.scale, rules=rules, bounds=self.bounds,
                          horizon_s=horizon_s, late_limit_s=late_limit_s, alias=self.house.alias, source=source,
                          clean=self.mask)
        quota = Quota(settings.examples.errors, settings.examples.slowest, settings.examples.sample)
        examples = ExampleBook(Chooser(self.bounds.max_series, quota), settings.examples.bytes_per_hour, apart_s)
        return OtlpIntake(Parts(decoder, pairing, journal, self.series, examples, self.otlp.metrics, self.mask,
                                self.who, horizon_s, late_limit_s, source=source, remembered=remembered))

    def _resource_of(self, decoder: SpanDecoder) -> Callable[[int], Resource]:
        return lambda number: read(decoder.resources.raw(number), self.who)


def failure_rules(settings: Settings) -> FailureRules:
    """What counts as failed and as protected, as the configuration says."""
    failed, protection = settings.pairing.failed, settings.pairing.protection
    return FailureRules(failed.http_client_4xx, failed.grpc_server, failed.grpc_client, protection.http,
                        (*protection.response_flags, *protection.error_types))
