"""The only wiring: settings become a running product, and it ends in order."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog

from app import control, places
from app.allocation import spare_the_long_lived
from app.catalogue import CatalogueFile
from app.engine.engine import Engine
from app.engine.parts import Parts
from app.engine.snapshot import Rules
from app.house import House
from app.intakes import Intakes
from app.registry import Registries
from app.runner.wiring import Receivers, counting, lags_s, sources
from app.searching import Searches
from app.settings import Settings
from app.slo.definitions import Definitions, definitions_of
from app.slo.evaluator import Objectives
from app.sourcing import Common
from app.telemetry import Telemetry, TracedRequests
from app.version import version
from app.web.application import build
from app.web.options import Meta, WebOptions
from app.web.server import Server, server
from collectors.contract import Receiver
from collectors.otlp.config import Config as OtlpConfig
from collectors.otlp.receiver import OtlpReceiver
from collectors.otlp.resources import Identify, identify
from collectors.skywalking_segments.receiver import SegmentReceiver
from collectors.skywalking_segments.surroundings import Surroundings
from topology.errors import StoreError
from topology.health import Objective
from topology.histogram import Ladder, ladder
from topology.journal import Journal
from topology.masking import Masker, Rule
from topology.pairing import Bounds
from topology.rollup import SeriesTable
from topology.store.duckdb import DuckDBStore
from topology.store.opening import Limits
from topology.store.tiers import HOUR_S, Retention, Tier

STORE_FILE = "synoptic.duckdb"
MIB = 1 << 20
SETTLES_S = 20.0
"""What sending and counting take, beside the pairing horizon."""
_log = structlog.get_logger("synoptic")


def run(settings: Settings, configuration: CatalogueFile | None = None) -> int:
    """Runs the product until SIGINT or SIGTERM; 0 after a clean end. A catalogue in the configuration itself is
    followed there."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as closing:
        product = assemble(settings, closing, configuration)
        web = server(product.app, settings.server.http.host, settings.server.http.port)
        threading.Thread(target=_end_web, args=(stop, web), daemon=True).start()
        product.engine.load()
        spare_the_long_lived()
        product.engine.start()
        closing.callback(product.engine.stop)
        for receiver in product.receivers:
            receiver.start()
            closing.callback(receiver.stop)
        _log.info("ready", page=f"http://{settings.server.http}{settings.server.base_path}", version=version())
        web.run()
    _log.info("stopped")
    return 0


def _end_web(stop: threading.Event, web: Server) -> None:
    stop.wait()
    web.should_exit = True


@dataclass
class Product:
    """The assembled parts, not yet started."""

    engine: Engine
    receivers: list[Receiver]
    app: Any


def assemble(settings: Settings, closing: ExitStack, configuration: CatalogueFile | None = None) -> Product:
    """Builds everything from settings; what must be closed is pushed on `closing`. Raises ConfigurationError when an
    objective has a fault."""
    definitions = definitions_of(settings)
    store = _store(settings, closing)
    journal = Journal(settings.data.directory / "journal", sync=settings.journal.sync == "group",
                      segment_bytes=settings.journal.segment_size_bytes, max_bytes=settings.journal.max_size_bytes)
    house = House(settings, configuration)
    otlp = _otlp(settings)
    intakes, engine_parts = _intake(settings, otlp, journal, store, house, definitions)
    closing.callback(intakes.close)
    engine_parts.sources = lambda: _sources(receivers, house, definitions, settings, engine_parts.objectives.failure)
    engine = Engine(engine_parts, _rules(settings))
    receivers = _receivers(settings, otlp, intakes, engine)
    asked = sources(settings, Receivers(engine, intakes), _identify(settings, otlp, house))
    receivers += asked
    searches = Searches({source.name: source.puller for source in asked})
    closing.callback(searches.close)
    options, meta = _web_options(settings, otlp), Meta(version(), time.time, lambda: engine.figures)
    closing.enter_context(control.serve(settings.data.directory, store))
    closing.callback(engine_parts.telemetry.stop)
    page = build(engine, options, meta, searches)
    if settings.telemetry.self_traces:
        page.add_middleware(TracedRequests, tracer=engine_parts.telemetry.tracer)
    return Product(engine, receivers, page)


def _store(settings: Settings, closing: ExitStack) -> DuckDBStore:
    kept = settings.data.kept
    tiers = (Tier(10, int(kept.fine_s)), Tier(60, int(kept.minute_s)), Tier(HOUR_S, int(kept.hour_s)))
    limits = Limits(memory_mb=settings.data.memory_limit_bytes // MIB)
    retention = Retention(tiers, example_bytes_per_hour=settings.examples.bytes_per_hour)
    store = DuckDBStore(settings.data.directory / STORE_FILE, time.time(), retention, limits)
    closing.callback(store.close)
    if store.notice:
        _log.error(store.notice)
    return store


def _otlp(settings: Settings) -> OtlpConfig:
    """The first receiver that is on: it says how resources are read, and is shown to newcomers."""
    configs = [c.config for c in settings.collectors.values() if c.kind == "otlp" and c.enabled]
    return configs[0] if configs else OtlpConfig()


def _receivers(settings: Settings, otlp: OtlpConfig, intakes: Intakes, engine: Engine) -> list[Receiver]:
    """The listeners that are on, in the order of the configuration."""
    make: dict[str, Callable[[Any, str], Receiver]] = {
        "otlp": lambda config, name: OtlpReceiver(config, intakes.own, name),
        "skywalking_segments": lambda config, name: SegmentReceiver(
            config, intakes.of(name), name, _surroundings(settings, otlp, engine, name)),
    }
    return [make[c.kind](c.config, name) for name, c in settings.collectors.items() if c.enabled and c.kind in make]


def _surroundings(settings: Settings, otlp: OtlpConfig, engine: Engine, name: str) -> Surroundings:
    kept = settings.data.directory / "instances" / f"{quote(name, safe='')}.json"
    zone = next(iter(otlp.zone_attributes), "")
    return Surroundings(zone, settings.environment, kept, engine.note_changes, engine.parts.mask)


def _intake(settings: Settings, otlp: OtlpConfig, journal: Journal, store: DuckDBStore,
            house: House, definitions: Definitions) -> tuple[Intakes, Parts]:
    bounds = Bounds(settings.pairing.max_pending_spans, settings.pairing.max_series,
                    settings.pairing.max_operations_per_service, settings.pairing.max_strings)
    mask = Masker(Rule(r.name, r.pattern, r.replacement) for r in settings.masking.rules)
    scale, series = ladder(definitions.thresholds_us()), SeriesTable()
    intakes = Common(settings, otlp, house, bounds, series, scale, mask, _identify(settings, otlp, house)
                     ).intakes(journal)
    house.changed = intakes.forget_names
    telemetry = Telemetry(intakes.own if settings.telemetry.self_traces else None, settings.environment, version())
    objectives = _objectives(settings, otlp, definitions, house, store, scale)
    registries = Registries([name for name, c in settings.collectors.items() if c.enabled],
                            settings.registry.old_after_s, settings.registry.show_silent)
    return intakes, Parts(intakes, intakes.own.pairing, store, series, scale, mask, house, objectives, list, telemetry,
                          registry=registries)


def _objectives(settings: Settings, otlp: OtlpConfig, definitions: Definitions, house: House, store: DuckDBStore,
                scale: Ladder) -> Objectives:
    shares = {reading.signal for reading in otlp.metrics.values() if reading.saturation}
    settles_s = max([settings.pairing.horizon_s, *lags_s(settings).values()]) + SETTLES_S
    return Objectives(definitions, house, store, scale, shares, settings.slo.max_slos, settles_s)


def _identify(settings: Settings, otlp: OtlpConfig, house: House) -> Identify:
    return lambda found: house.sender(identify(found, settings.environment, otlp.zone_attributes), found)


def _rules(settings: Settings) -> Rules:
    health = settings.health
    objective = Objective(health.availability, health.latency.threshold_s * 1000, health.latency.share,
                          int(health.short_s), int(health.long_s), health.page_burn, health.ticket_burn,
                          health.min_bad_events)
    return Rules(objective, health.stale_after_s, health.leave_after_s, settings.layout.group_by, settings.environment,
                 settings.demo, settings.pairing.horizon_s + SETTLES_S, lags_s=lags_s(settings),
                 counting=counting(settings), change_rules=settings.changes.services,
                 failed_within_s=settings.changes.failed_within_s)


def _web_options(settings: Settings, otlp: OtlpConfig) -> WebOptions:
    s, (grpc, http) = settings.server, otlp.endpoints()
    token = settings.changes.token
    return WebOptions(base_path=s.base_path, frame_ancestors=s.frame_ancestors, allowed_hosts=s.allowed_hosts,
                      language=s.default_language, theme=s.default_theme, demo=settings.demo, max_viewers=s.max_viewers,
                      otlp_grpc=grpc, otlp_http=http, change_token=token.reveal() if token else "",
                      changes_per_minute=settings.changes.per_minute, links=settings.links,
                      otlp_protocol="grpc" if otlp.grpc else "http/protobuf", assets=places.assets())


def _sources(receivers: Sequence[Receiver], house: House, definitions: Definitions, settings: Settings,
             failure: str = "") -> list[dict[str, Any]]:
    rows = [receiver.status() for receiver in receivers]
    rows += [_row(name, c.kind, "off") for name, c in settings.collectors.items() if not c.enabled and not c.untouched]
    if house.file and house.file.faults:
        faults = "; ".join(str(fault) for fault in house.file.faults)
        rows.append(_row("catalogue", "configuration", "degraded", faults))
    if definitions.files or definitions.faults or failure:
        faults = "; ".join([failure] * bool(failure) + [str(fault) for fault in definitions.faults])
        state = "failed" if failure else "degraded" if faults else "ok"
        rows.append(_row("slo", "configuration", state, faults or None))
    return rows


def _row(name: str, kind: str, state: str, error: str | None = None) -> dict[str, Any]:
    return {"name": name, "kind": kind, "state": state, "rate_per_s": 0.0, "lag_s": None, "last_error": error,
            "last_seen": None, "counters": {}}


def backup(settings: Settings, path: Path) -> None:
    """A consistent copy of the stored data, by the running product when there is one; StoreError where there is
    nothing, because a copy of nothing would pass for a backup."""
    if control.ask_backup(settings.data.directory, path.resolve()):
        return
    if not (settings.data.directory / STORE_FILE).exists():
        raise StoreError(f"nothing is stored in {settings.data.directory}; --data-dir or --config says where it is")
    with ExitStack() as closing:
        _store(settings, closing).backup(path)


__all__ = ["assemble", "backup", "run"]
