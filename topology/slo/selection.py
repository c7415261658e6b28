"""What an objective is about: patterns spread over the services that are known, and every source as a line of terms.

A line says which counts of which nodes and paths are added up. It names them by id, so it outlives the numbers that
series happen to have: see `topology.slo.incidence` for those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property

from topology.members import ERROR_LEVELS, edge_id
from topology.model import Kind, Service
from topology.rollup import CALLS, ERRORS, PROTECTED, TOTAL
from topology.slo.objectives import (
    Counted,
    Indicator,
    Measure,
    Part,
    Ratio,
    Selection,
    Services,
    Slo,
    Source,
    Threshold,
)

Facts = Callable[[Service], Mapping[str, str]]
"""What a house says of a service, beside its name, namespace, environment and kind: domain, layer, owner, class..."""
PERCENTILES = {Measure.P50_MS: 0.5, Measure.P95_MS: 0.95, Measure.P99_MS: 0.99}
LEVELS_OF: Mapping[Counted, Sequence[str | None]] = {Counted.LINES: (None,), Counted.ERROR_LINES: ERROR_LEVELS}
"""The levels of the lines that are counted; None for all."""
_PEOPLE = (Kind.USER, Kind.UNKNOWN)
"""Nobody promises anything on behalf of those who call: their calls are judged where they arrive."""


class What(StrEnum):
    """Which counts of its subject a term takes. A node that sends no spans is counted by the calls to it, a user by
    the calls it makes; root work stands for a node's work only while there is no other (see `OperationKey`)."""

    WORK = "work"
    ROOT = "root"
    PATH = "path"
    CALLED = "called"
    CALLING = "calling"
    LINES = "lines"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, order=True)
class Term:
    """`factor` times a column of `rollup.COUNTS`, or the calls that took no longer than `within_us`, of everything that
    is about `subject` (the id of a node or path). `detail` narrows to an operation, a level or a metric."""

    what: What
    subject: str
    column: int = CALLS
    within_us: int = 0
    detail: str | None = None
    zone: str | None = None
    factor: float = 1.0


Line = tuple[Term, ...]
"""What is added up; equal lines count the same."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Good events of all events: by inbound work, and by root work for when there is no other."""

    good: Line
    total: Line
    root_good: Line = ()
    root_total: Line = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """What a threshold metric needs of every minute: (amount, number) pairs, of which the worst quotient counts."""

    threshold: Threshold
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Concrete:
    """An objective about things that are known: the ids of the nodes and paths it judges, and what it counts.
    Both are empty, and so are all lines, while nothing that fits was seen."""

    slo: Slo
    nodes: tuple[str, ...]
    paths: tuple[str, ...]
    parts: tuple[Pair | Figure, ...]


@dataclass(frozen=True)
class Known:
    """The nodes and paths of the map, as they are shown, and what is said about the nodes."""

    nodes: Sequence[Service] = ()
    paths: Sequence[tuple[Service, Service]] = ()
    facts: Facts = lambda _service: {}
    metrics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The saturation metrics of each node that has some, by its id."""
    roots: frozenset[str] = frozenset()
    """The nodes of which work is known that nobody called over the wire."""
    logging: frozenset[str] = frozenset()
    """The nodes of which nothing but log lines is known."""
    memory: dict[object, Concrete] = field(default_factory=dict)
    """What patterns were spread to before; kept by the caller, so that a new service costs no more than itself."""

    @cached_property
    def _named(self) -> dict[str, list[Service]]:
        found: dict[str, list[Service]] = {}
        for service in self.nodes:
            found.setdefault(service.name, []).append(service)
            found.setdefault(service.id, []).append(service)
        return found

    @cached_property
    def _said(self) -> dict[Service, Mapping[str, str]]:
        return {}

    def chosen(self, services: Services) -> list[Service]:
        """The services meant. A bare name means what sends spans itself, and anything else only without such."""
        listed = self._named.get(services.name, []) if services.name else self.nodes
        found = [service for service in listed if self._fits(services, service)]
        if services.match is not None and "kind" not in services.match:
            return [service for service in found if service.kind not in _PEOPLE]
        own = [service for service in found if service.kind is Kind.SERVICE]
        return own if services.name and own else found

    def _fits(self, services: Services, service: Service) -> bool:
        if services.namespace not in (None, service.namespace):
            return False
        if services.environment not in (None, service.environment):
            return False
        return services.match is None or all(
            fnmatchcase(self.fact(service, name), pattern) for name, pattern in services.match.items()
        )

    def fact(self, service: Service, name: str) -> str:
        """One fact of a service, empty when nobody says it."""
        if name in {"name", "namespace", "environment", "kind"}:
            return str(getattr(service, name))
        if service not in self._said:
            self._said[service] = self.facts(service)
        return self._said[service].get(name, "")

    def between(self, selection: Selection) -> list[tuple[Service, Service]]:
        """The paths from any of the selection's services to any of its callees."""
        assert selection.callee is not None
        callers, callees = set(self.chosen(selection.services)), set(self.chosen(selection.callee))
        return [(caller, callee) for caller, callee in self.paths if caller in callers and callee in callees]


def spread(slos: Iterable[Slo], defaults: Mapping[str, tuple[Slo, ...]], known: Known) -> list[Concrete]:
    """Every objective over what is known, then the default ones of every node that has none of its own and is no user:
    those about log lines where nothing else is known of a node, the others where there is.

    A pattern stands once for every service or path that fits, named `name:service`; where two that fit have the same
    name, the one whose id comes later is named by its id. `defaults` are patterns by class, "" for nodes without one.
    """
    own = [one for written in slos for one in _spread(written, known)]
    judged = {node for one in own for node in one.nodes}
    bare = [service for service in known.nodes if service.id not in judged and service.kind not in _PEOPLE]
    return own + list(_defaults(bare, defaults, known))


def _defaults(bare: Iterable[Service], defaults: Mapping[str, tuple[Slo, ...]], known: Known) -> Iterator[Concrete]:
    taken: set[str] = set()
    for service in sorted(bare, key=lambda service: service.id):
        patterns = defaults.get(known.fact(service, "class"), defaults.get("", ()))
        patterns = tuple(slo for slo in patterns if of_lines(slo) == (service.id in known.logging))
        name = service.name if service.name not in taken else service.id
        taken.add(service.name)
        yield from (_one(slo, (service,), name, known) for slo in patterns)


def is_pattern(slo: Slo) -> bool:
    """Whether an objective stands for one of every service that fits."""
    return any(_open(services) for selection in _selections(slo) for services in _ends(selection))


def _one(pattern: Slo, about: tuple[Service, ...], name: str, known: Known) -> Concrete:
    key = (pattern.name, name, about, about[0].id in known.roots, tuple(known.metrics.get(about[0].id, ())))
    found = known.memory.get(key)
    if found is None:
        found = known.memory[key] = concrete(_about(pattern, about, name), known)
    return found


def _spread(slo: Slo, known: Known) -> Iterator[Concrete]:
    pattern = next((s for s in _selections(slo) if any(_open(end) for end in _ends(s))), None)
    if pattern is None:
        yield concrete(slo, known)
        return
    taken: set[str] = set()
    for about in sorted(_fitting(pattern, known), key=lambda ends: [end.id for end in ends]):
        short = ">".join(end.name for end in about)
        name = short if short not in taken else ">".join(end.id for end in about)
        taken.add(short)
        yield _one(slo, about, name, known)


def _fitting(pattern: Selection, known: Known) -> list[tuple[Service, ...]]:
    if pattern.callee is None:
        return [(service,) for service in known.chosen(pattern.services)]
    ends = tuple(_open(end) for end in _ends(pattern))
    return sorted({tuple(end for end, is_open in zip(path, ends, strict=True) if is_open)
                   for path in known.between(pattern)})


def _about(slo: Slo, about: tuple[Service, ...], name: str) -> Slo:
    def narrowed(source: Source) -> Source:
        """The source with the services that were open put in."""
        chosen = source.selection
        services = Services(about[0].id) if _open(chosen.services) else chosen.services
        callee = Services(about[-1].id) if chosen.callee and _open(chosen.callee) else chosen.callee
        return replace(source, selection=replace(chosen, services=services, callee=callee))

    parts = tuple(replace(part, indicator=_mapped(part.indicator, narrowed)) for part in slo.parts)
    return replace(slo, name=f"{slo.name}:{name}", service=about[0].name, parts=parts)


def _mapped(indicator: Indicator, narrowed: Callable[[Source], Source]) -> Indicator:
    if isinstance(indicator, Threshold):
        source = narrowed(Source(indicator.selection, Counted.CALLS))
        return replace(indicator, selection=source.selection)
    return Ratio(narrowed(indicator.total), *(narrowed(s) if s else None for s in (indicator.good, indicator.bad)))


def _selections(slo: Slo) -> Iterator[Selection]:
    for part in slo.parts:
        if isinstance(part.indicator, Threshold):
            yield part.indicator.selection
        else:
            sources = (part.indicator.total, part.indicator.good, part.indicator.bad)
            yield from (source.selection for source in sources if source)


def _ends(selection: Selection) -> tuple[Services, ...]:
    return (selection.services,) if selection.callee is None else (selection.services, selection.callee)


def _open(services: Services) -> bool:
    return services.match is not None


def concrete(slo: Slo, known: Known) -> Concrete:
    """An objective over what is known."""
    nodes: dict[str, None] = {}
    paths: dict[str, None] = {}
    for selection in _selections(slo):
        if selection.callee is None:
            nodes |= dict.fromkeys(service.id for service in known.chosen(selection.services))
        else:
            paths |= dict.fromkeys(edge_id(*ends) for ends in known.between(selection))
    return Concrete(slo, tuple(nodes), tuple(paths), tuple(_counted(part, known) for part in slo.parts))


def _counted(part: Part, known: Known) -> Pair | Figure:
    if isinstance(part.indicator, Threshold):
        return Figure(part.indicator, _measured(part.indicator, known))
    ratio = part.indicator
    return Pair(_good(ratio, known, False), _line([(ratio.total, 1)], known, False),
                _good(ratio, known, True), _line([(ratio.total, 1)], known, True))


def _good(ratio: Ratio, known: Known, root: bool) -> Line:
    if ratio.good is not None:
        return _line([(ratio.good, 1)], known, root)
    assert ratio.bad is not None, "a ratio has good or bad events"
    return _line([(ratio.total, 1), (ratio.bad, -1)], known, root)


def _line(sources: Iterable[tuple[Source, float]], known: Known, root: bool) -> Line:
    return added(term if sign == 1 else replace(term, factor=term.factor * sign)
                 for source, sign in sources for term in _terms(source, known, root))


def added(terms: Iterable[Term]) -> Line:
    """The terms in order, those alike as one; those that cancel are gone."""
    alike: dict[tuple[object, ...], Term] = {}
    for term in terms:
        place = _place(term)
        known = alike.get(place)
        alike[place] = term if known is None else replace(known, factor=known.factor + term.factor)
    return tuple(alike[place] for place in sorted(alike) if alike[place].factor)


def _place(term: Term) -> tuple[object, ...]:
    return (term.what, term.subject, term.column, term.within_us, term.detail or "", term.zone or "")


def of_lines(slo: Slo) -> bool:
    """Whether an objective is about the share of log lines."""
    return any(isinstance(part.indicator, Ratio) and part.indicator.total.counted is Counted.LINES
               for part in slo.parts)


def _terms(source: Source, known: Known, root: bool) -> Iterator[Term]:
    if source.counted in LEVELS_OF:
        services = [] if root else known.chosen(source.selection.services)
        yield from (Term(What.LINES, service.id, detail=level)
                    for service in services for level in LEVELS_OF[source.counted])
        return
    for what, subject in _subjects(source.selection, known, root):
        for column, within_us, factor in _columns(source):
            yield Term(what, subject, column, within_us, source.selection.operation, source.selection.zone, factor)


def _columns(source: Source) -> list[tuple[int, int, float]]:
    failed = [(ERRORS, 0, 1.0)] + [(PROTECTED, 0, 1.0)] * source.protection_fails
    if source.counted is Counted.FASTER_THAN:
        return [(CALLS, source.threshold_us or 0, 1.0)]
    if source.counted is Counted.FAILURES:
        return failed
    taken = [(column, 0, -1.0) for column, _, _ in failed] if source.counted is Counted.SUCCESSES else []
    return [(CALLS, 0, 1.0), *taken]


def _subjects(selection: Selection, known: Known, root: bool) -> list[tuple[What, str]]:
    if selection.callee is not None:
        return [] if root else [(What.PATH, edge_id(*ends)) for ends in known.between(selection)]
    services = known.chosen(selection.services)
    return [(what, service.id) for service in services for what in _work_of(service, root, known)]


def _work_of(service: Service, root: bool, known: Known) -> tuple[What, ...]:
    if root:
        return (What.ROOT,) if service.id in known.roots else ()
    if service.kind is Kind.SERVICE:
        return (What.WORK,)
    return (What.CALLED, What.CALLING) if service.kind in _PEOPLE else (What.CALLED,)


def _measured(threshold: Threshold, known: Known) -> tuple[Pair, ...]:
    """(amount, number) of each minute. A percentile is as a share: p95 <= 200 ms says that 95 % took no longer."""
    services = [] if threshold.selection.callee else known.chosen(threshold.selection.services)
    if threshold.measure is Measure.SATURATION:
        return tuple(_gauged(service, metric, threshold.selection.zone)
                     for service in services for metric in known.metrics.get(service.id, ()))
    if threshold.measure is Measure.LOG_ERRORS_PER_S:
        lines = added(Term(What.LINES, service.id) for service in services)
        errors = added(Term(What.LINES, s.id, detail=level) for s in services for level in ERROR_LEVELS)
        return (Pair(errors, lines),)
    calls = Source(threshold.selection, Counted.CALLS)
    if threshold.measure is Measure.CALLS_PER_S:
        return (_pair(calls, calls, known),)
    within = Source(threshold.selection, Counted.FASTER_THAN, round(threshold.value * 1000))
    return (_pair(within, calls, known),)


def _pair(amount: Source, number: Source, known: Known) -> Pair:
    lines = [_line([(source, 1)], known, root) for root in (False, True) for source in (amount, number)]
    return Pair(*lines)


def _gauged(service: Service, metric: str, zone: str | None) -> Pair:
    return Pair(*((Term(What.GAUGE, service.id, column, 0, metric, zone),) for column in (TOTAL, CALLS)))
