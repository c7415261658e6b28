"""The objectives in force: every document of a folder, checked, resolved, and read again when a file changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import structlog

from app import places
from app.settings import Latency, Objectives, Settings
from app.slo.documents import read_file
from app.slo.faults import DocumentFault, fault_of, refusal_of
from app.slo.folder import Folder
from topology.errors import ConfigurationError
from topology.slo.defaults import PERIOD, Promise, default_slos
from topology.slo.objectives import Indicator, Ratio, Slo
from topology.slo.openslo.documents import House
from topology.slo.openslo.doubts import unreachable
from topology.slo.openslo.synoptic import PERCENTILES
from topology.slo.windows import Windows, read_windows

WINDOWS_FILE = "slo-windows.yaml"
CONFIGURATION = "configuration"
_log = structlog.get_logger("synoptic.slo")


@dataclass(frozen=True, slots=True)
class Options:
    """Where documents are, and what holds for every objective. `promises` are by class of service, "" without one."""

    directory: Path
    windows: Path
    promises: Mapping[str, Promise]
    min_bad_events: int = 0
    max_slos: int = 5000
    kept_s: float = float("inf")


def options_of(settings: Settings) -> Options:
    """The options that a configuration gives."""
    health, slo = settings.health, settings.slo
    classes = {"critical": slo.classes.critical, "high": slo.classes.high, "low": slo.classes.low}
    lines = Decimal(repr(health.logs.share)) if health.logs.judged else None
    held = {"": (health.availability, health.latency)}
    held |= {word: (kind.availability, kind.latency) for word, kind in classes.items()}
    promises = {word: replace(_promise(*figures), lines=lines) for word, figures in held.items()}
    return Options(slo.directory, slo.windows or places.config() / WINDOWS_FILE, promises, health.min_bad_events,
                   slo.max_slos, settings.data.kept.hour_s)  # fmt: skip


def _promise(availability: float, latency: Latency) -> Promise:
    # the shortest text of a float is the decimal that was written
    threshold_us = round(latency.threshold_s * 1_000_000)
    return Promise(Decimal(repr(availability)), threshold_us, Decimal(repr(latency.share)))


def definitions_of(settings: Settings) -> Definitions:
    """The definitions at the start; raises ConfigurationError with every fault, as for the rest of a configuration."""
    found = Definitions(options_of(settings))
    if found.faults:
        raise ConfigurationError(tuple(fault.as_fault() for fault in found.faults))
    return found


class Definitions:
    """The objectives of a folder. `version` grows whenever one of the tuples changes; for one thread.

    `slos` are the written ones that can be evaluated, patterns (`match`) not yet spread over services; `foreign` those
    over other people's metrics, listed and not evaluated; `defaults` the default objectives by class of service, ""
    for services without a class and nothing for the class `none`.
    """

    def __init__(self, options: Options) -> None:
        """Reads everything; what is wrong is in `faults`, nothing is raised."""
        self.options = options
        self.slos: tuple[Slo, ...] = ()
        self.foreign: tuple[Slo, ...] = ()
        self.defaults: Mapping[str, tuple[Slo, ...]] = {}
        self.faults: tuple[DocumentFault, ...] = ()
        self.warnings: tuple[DocumentFault, ...] = ()
        self.files: tuple[Path, ...] = ()
        self.version = 0
        self._folder = Folder(options.directory)
        self._windows, self._window_notes = windows_in(options.windows)
        self._windows_stamp = _stamp(options.windows)
        self._exact_us: frozenset[int] | None = None
        self._folder.changed()
        self._take()
        self._exact_us = _bounds_us(self.thresholds_us())

    def reload(self) -> bool:
        """Looks at the folder and the catalogue of windows; True when there is anything new in the tuples."""
        windows, documents, before = self._follow_windows(), self._folder.changed(), self.version
        if windows or documents:
            self._take()
            for fault in self.faults:
                _log.error("an objective has a fault; what was in force stays", fault=str(fault))
        return self.version != before

    def thresholds_us(self) -> tuple[int, ...]:
        """Every latency threshold in microseconds, ascending: the bounds that the histogram ladder must have."""
        patterns = [slo for slos in self.defaults.values() for slo in slos]
        indicators = [part.indicator for slo in (*self.slos, *patterns) for part in slo.parts]
        return tuple(sorted({bound for indicator in indicators for bound in bounds_of(indicator)}))

    def _follow_windows(self) -> bool:
        stamp = _stamp(self.options.windows)
        if stamp == self._windows_stamp:
            return False
        self._windows_stamp = stamp
        windows, self._window_notes = windows_in(self.options.windows)
        self._windows = self._windows if self._window_notes else windows
        return True

    def _take(self) -> None:
        options, old = self.options, (self.slos, self.foreign, self.defaults, self.faults, self.warnings)
        house = House(self._windows, options.min_bad_events, options.kept_s)
        contents = self._folder.contents(house, self.slos)
        self.slos, self.foreign, self.files = contents.slos, contents.foreign, contents.files
        rules = self._windows.rules(PERIOD.length_s)
        self.defaults = default_slos(options.promises, rules, options.min_bad_events)
        notes = [*self._window_notes, *contents.notes, *self._bounds(contents.slos), *self._doubts(), *self._inexact()]
        self.faults = tuple(note for note in notes if not note.warning)
        self.warnings = tuple(note for note in notes if note.warning)
        self.version += old != (self.slos, self.foreign, self.defaults, self.faults, self.warnings)

    def _bounds(self, slos: Sequence[Slo]) -> Iterator[DocumentFault]:
        """What is too much: objectives, and different latency thresholds."""
        most = self.options.max_slos
        if len(slos) > most:
            expected = f"at most {most} objectives (slo.max_slos)"
            found = f"{len(slos)}; the rest is listed, not evaluated"
            yield DocumentFault(slos[most].file, 0, slos[most].name, "max_slos", expected, found, True)
        if not _bounds_us(self.thresholds_us()):
            found = f"{len(self.thresholds_us())} different ones"
            yield DocumentFault(str(self.options.directory), 0, "threshold_ms", "thresholds",
                                "fewer latency thresholds: each is a bound of every histogram", found)  # fmt: skip

    def _doubts(self) -> Iterator[DocumentFault]:
        """What the configuration asks for and will hardly do what was meant."""
        directory = self.options.directory
        if not directory.is_dir() and directory != Objectives().directory:
            yield DocumentFault(CONFIGURATION, 0, "slo.directory", "folder", "a folder", f"none at {directory}", True)
        for word, slos in self.defaults.items():
            key = f"slo.classes.{word}" if word else "health"
            leaves = (f"{key}.availability", f"{key}.latency.share", "health.logs.share")
            for slo, leaf in zip(slos, leaves if not word else leaves[:2], strict=False):
                found = [words for rule in slo.rules if (words := unreachable(rule, slo.target))]
                for words in found:
                    yield DocumentFault(CONFIGURATION, 0, leaf, "unreachable", *words, warning=True)

    def _inexact(self) -> Iterator[DocumentFault]:
        """Thresholds that came after the start, when the bounds of the histograms were already laid."""
        late = set(self.thresholds_us()) - self._exact_us if self._exact_us is not None else set()
        places_of = self._folder.places_of
        for path, line, value in [*places_of("threshold_ms"), *places_of("value")] if late else ():
            if isinstance(value, int | Decimal) and value * 1000 in late:
                yield DocumentFault(str(path), line, "threshold", "new-threshold",
                                    "a threshold that was known when the product started",
                                    f"{value}: counted exactly from the next start on, until then up to the next lower "
                                    "bound (at most 10 % below)", True)  # fmt: skip


def bounds_of(indicator: Indicator) -> Iterator[int]:
    """The latencies in microseconds that an indicator counts calls by: a percentile within a limit is a share of the
    calls that ended within it."""
    if isinstance(indicator, Ratio):
        sources = (indicator.good, indicator.bad, indicator.total)
        yield from (source.threshold_us for source in sources if source and source.threshold_us)
    elif indicator.measure in PERCENTILES and not indicator.weeks:
        yield int(indicator.value * 1000)


def _bounds_us(thresholds_us: Sequence[int]) -> frozenset[int]:
    """The bounds of a ladder with these thresholds; empty when they are too many."""
    from topology.histogram import ladder  # only now: a fault is said before the numeric libraries are loaded

    try:
        return frozenset(ladder(thresholds_us).bounds_us.tolist())
    except ValueError:
        return frozenset()


def windows_in(path: Path) -> tuple[Windows, tuple[DocumentFault, ...]]:
    """The catalogue of burn windows in a file, and what is wrong with it."""
    file = read_file(path)
    refusal = refusal_of(file)
    if refusal:
        return Windows(), (refusal,)
    windows, findings = read_windows(file.documents[0] if file.documents else None)
    return windows, tuple(fault_of(finding, file, 0) for finding in findings)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
