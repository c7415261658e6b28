"""Service level indicators: good or bad events of all events, or a figure to hold against a limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from topology.slo.objectives import Counted, Ratio, Source
from topology.slo.openslo.metadata import description
from topology.slo.openslo.place import Place
from topology.slo.openslo.synoptic import OF_LINES, Measured, read_measure, read_source

OURS = "synoptic"


@dataclass(frozen=True, slots=True)
class Foreign:
    """An indicator over somebody else's metrics; `threshold` when it is a threshold metric."""

    type: str
    threshold: bool = False


Form = Ratio | Measured | Foreign


def read_indicator(place: Place, types: Mapping[str, str]) -> Form | None:
    """The indicator of an SLI's spec; None when it is at fault. `types` are those of the data sources by name."""
    if place.absent:
        place.fault("required", "a mapping with ratioMetric or thresholdMetric")
        return None
    if not place.fields(("description", "ratioMetric", "thresholdMetric")):
        return None
    description(place.at("description"))
    kind = place.exactly_one("ratioMetric", "thresholdMetric")
    if kind == "thresholdMetric":
        return _threshold(place.at(kind), types)
    return _ratio(place.at(kind), types) if kind else None


def _threshold(place: Place, types: Mapping[str, str]) -> Form | None:
    source = _Metric.read(place, types)
    if source is None:
        return None
    return read_measure(source.spec) if source.ours else source.foreign(threshold=True)


def _ratio(place: Place, types: Mapping[str, str]) -> Form | None:
    if not place.fields(("counter", "good", "bad", "total", "raw", "rawType")):
        return None
    place.at("counter").truth()
    kind = place.exactly_one("total", "raw")
    if kind == "raw":
        return _raw(place, types)
    counted = place.exactly_one("good", "bad") if kind else None
    if kind is None or counted is None:
        return None
    metrics = [_Metric.read(place.at(key), types) for key in ("total", counted)]
    if metrics[0] is None or metrics[1] is None:
        return None
    other = next((metric for metric in metrics if metric and not metric.ours), None)
    if other:
        return other.foreign()
    return _counted(metrics[0].spec, metrics[1].spec, counted)


def _raw(place: Place, types: Mapping[str, str]) -> Form | None:
    for key in ("good", "bad"):
        if not place.at(key).absent:
            place.at(key).fault("exactly-one", "good or bad with total, or raw with rawType", f"{key} beside raw")
    if place.at("rawType").absent:
        place.at("rawType").fault("required", "success or failure, since raw is used")
    place.at("rawType").one_of(("success", "failure"))
    metric = _Metric.read(place.at("raw"), types)
    if metric and metric.ours:
        place.at("raw").fault("raw", "good or bad with total: Synoptic counts events and has no ready-made ratios")
        return None
    return metric.foreign() if metric else None


def _counted(total_place: Place, place: Place, word: str) -> Ratio | None:
    total, source = read_source(total_place), read_source(place)
    if total is None or source is None:
        return None
    of_lines = source.counted in OF_LINES
    if total.counted is not (Counted.LINES if of_lines else Counted.CALLS):
        expected = "lines" if of_lines else "calls"
        total_place.at("events").fault("total", f"{expected}: only then the good events are a part of the total")
        return None
    if source.selection != total.selection:
        expected = "the same service, operation, path, match and zone as in total"
        place.fault("same-selection", expected, "another selection")
        return None
    _doubt(place, source, word)
    return Ratio(total, good=source) if word == "good" else Ratio(total, bad=source)


def _doubt(place: Place, source: Source, word: str) -> None:
    unusual = (Counted.FAILURES, Counted.ERROR_LINES) if word == "good" else (Counted.SUCCESSES,)
    if source.counted in (*unusual, Counted.CALLS, Counted.LINES):
        place.at("events").warn("events", f"events that are {word}", f"{source.counted} counted as {word}")


@dataclass(frozen=True, slots=True)
class _Metric:
    """Where a number comes from: `type` of the source, and what it is asked for."""

    place: Place
    type: str

    @property
    def ours(self) -> bool:
        """Whether this program counts it itself."""
        return self.type == OURS

    @property
    def spec(self) -> Place:
        """What the source is asked for."""
        return self.place.at("metricSource").at("spec")

    def foreign(self, threshold: bool = False) -> Foreign:
        """The indicator of another source, with a warning that it is listed only."""
        found = f"{self.type!r}: the objective is listed, not evaluated"
        self.place.at("metricSource").at("type").warn("foreign", f"type {OURS}, to be evaluated here", found)
        return Foreign(self.type, threshold)

    @classmethod
    def read(cls, place: Place, types: Mapping[str, str]) -> _Metric | None:
        """The metric of a place; None after what is wrong with it was told there."""
        if not place.fields(("metricSource",), required=("metricSource",)) or place.at("metricSource").absent:
            return None
        source = place.at("metricSource")
        if not source.fields(("metricSourceRef", "type", "spec"), required=("spec",)):
            return None
        spec = source.at("spec")
        if not spec.absent and (not isinstance(spec.value, dict) or not spec.value):
            spec.fault("type", "a mapping with at least one field")
            return None
        kind = _type(source, types)
        return None if spec.absent or not kind else cls(place, kind)


def _type(place: Place, types: Mapping[str, str]) -> str:
    reference, kind = place.at("metricSourceRef"), place.at("type").text()
    name = reference.name()
    if kind or not place.at("type").absent:
        return kind.lower() if kind.lower() == OURS else kind
    if reference.absent:
        place.at("type").fault("required", "a type, or the metricSourceRef of a DataSource")
    elif name and name not in types:
        reference.fault("reference", "the name of a DataSource in this folder")
    return types.get(name, "")
