"""Figures of services and of what is between them, minute by minute, in the language that the OAP speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from collectors.skywalking.batches import Batches, Failed, Form, Question
from collectors.skywalking.server_time import Stretch
from collectors.skywalking.versions import Abilities, Percentiles

Floats = npt.NDArray[np.float64]
SHARES = (0.5, 0.75, 0.9, 0.95, 0.99)
_RANKS = {label: rank for labels in (("50", "75", "90", "95", "99"), ("0", "1", "2", "3", "4"))
          for rank, label in enumerate(labels)}
_POINTS, _POINTS_FIELDS = "{error results{values{value}}}", 5
_LABELLED, _LABELLED_FIELDS = "{error results{metric{labels{value}} values{value}}}", 8


@dataclass(frozen=True, slots=True)
class Family:
    """The metrics of one kind of thing (CORE's OAL scripts, names equal from 8.9 to 10): calls a minute, share
    without error in ten-thousandths, mean milliseconds, percentiles ("" where OAP keeps none)."""

    scope: str
    cpm: str
    sla: str
    mean: str
    percentile: str


SERVICE = Family("Service", "service_cpm", "service_sla", "service_resp_time", "service_percentile")
INSTANCE = Family("ServiceInstance", "service_instance_cpm", "service_instance_sla", "service_instance_resp_time", "")
ENDPOINT = Family("Endpoint", "endpoint_cpm", "endpoint_sla", "endpoint_resp_time", "endpoint_percentile")
CLIENT, SERVER = (
    Family("ServiceRelation", f"service_relation_{side}_cpm", f"service_relation_{side}_call_sla",
           f"service_relation_{side}_resp_time", f"service_relation_{side}_percentile")
    for side in ("client", "server")
)  # fmt: skip

Entity = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Figures:
    """Of several things minute by minute, a row a thing: NaN is no data. `percentiles_ms` has the ranks of SHARES on
    its last axis. `failed` are the rows of which something could not be read, with the reason."""

    calls: Floats
    errors: Floats
    mean_ms: Floats
    percentiles_ms: Floats
    failed: dict[int, str]


@dataclass(frozen=True, eq=False)
class Shape:
    """Figures without the number of calls; `sla` is the share without error in ten-thousandths."""

    sla: Floats
    mean_ms: Floats
    percentiles_ms: Floats
    failed: dict[int, str]


def failing(sla: Floats) -> Floats:
    """The share that failed; none where OAP does not say."""
    return np.asarray(1 - np.nan_to_num(sla, nan=10_000.0) / 10_000, np.float64)


def entity(scope: str, abilities: Abilities, **said: Any) -> dict[str, Any]:
    """The value of a GraphQL `Entity`. Before expressions it has to tell its scope."""
    return dict(said) if abilities.knows("execExpression") else {"scope": scope, **said}


class Metrics:
    """Reads figures of many things in few requests."""

    def __init__(self, batches: Batches, abilities: Abilities) -> None:
        self._batches, self._abilities = batches, abilities

    def read(self, family: Family, things: Sequence[Entity], stretch: Stretch) -> Figures:
        """The figures of the things in the minutes of the stretch."""
        calls, failed = self.calls(family, things, stretch)
        alive = np.flatnonzero(~np.isnan(calls).all(axis=1)).tolist()
        rest = self.shape(family, [things[at] for at in alive], stretch)
        sla, mean = (np.full(calls.shape, np.nan) for _ in range(2))
        ranks = np.full((*calls.shape, len(SHARES)), np.nan)
        sla[alive], mean[alive], ranks[alive] = rest.sla, rest.mean_ms, rest.percentiles_ms
        failed.update({alive[at]: reason for at, reason in rest.failed.items()})
        calls[sorted(failed)] = np.nan
        return Figures(calls, np.rint(calls * failing(sla)), mean, ranks, failed)

    def calls(self, family: Family, things: Sequence[Entity], stretch: Stretch) -> tuple[Floats, dict[int, str]]:
        """How many calls a minute, NaN where there were none; which rows could not be read, and why."""
        calls, failed = np.full((len(things), stretch.minutes), np.nan), dict[int, str]()
        _fill(self._points(family.cpm, things, stretch), calls, failed)
        calls[calls <= 0] = np.nan
        return calls, failed

    def shape(self, family: Family, things: Sequence[Entity], stretch: Stretch) -> Shape:
        """Everything but how many calls there were."""
        failed = dict[int, str]()
        sla, mean = (np.full((len(things), stretch.minutes), np.nan) for _ in range(2))
        ranks = np.full((*sla.shape, len(SHARES)), np.nan)
        _fill(self._points(family.sla, things, stretch), sla, failed)
        _fill(self._points(family.mean, things, stretch), mean, failed)
        if family.percentile:
            _fill(self._percentiles(family.percentile, things, stretch), ranks, failed)
        return Shape(sla, mean, ranks, failed)

    def requests(self, family: Family, things: int) -> int:
        """How many requests `read` makes at most for that many things."""
        points = self._batches.requests(self._point_form(None), things)
        labelled = self._batches.requests(self._label_form(None), things) if family.percentile else 0
        return 3 * points + labelled

    def _points(self, name: str, things: Sequence[Entity], stretch: Stretch) -> list[Floats | Failed]:
        if self._abilities.knows("execExpression"):
            text = f'execExpression(expression:"{name}",entity:$it,duration:$d)'
        else:
            text = f'readMetricsValues(condition:{{name:"{name}",entity:$it}},duration:$d)'
        answers = self._batches.ask(self._point_form(stretch), [Question(text, thing) for thing in things])
        return [_points(answer, stretch.minutes) for answer in answers]

    def _percentiles(self, name: str, things: Sequence[Entity], stretch: Stretch) -> list[Floats | Failed]:
        style = self._abilities.percentiles
        if style is Percentiles.VALUES:
            text = (f'readLabeledMetricsValues(condition:{{name:"{name}",entity:$it}},'
                    'labels:["0","1","2","3","4"],duration:$d)')  # fmt: skip
        else:
            text = f'execExpression(expression:"{name}{style.value}",entity:$it,duration:$d)'
        answers = self._batches.ask(self._label_form(stretch), [Question(text, thing) for thing in things])
        return [_ranks(answer, stretch.minutes) for answer in answers]

    def _point_form(self, stretch: Stretch | None) -> Form:
        if self._abilities.knows("execExpression"):
            return _form("ExpressionResult", _POINTS, _POINTS_FIELDS, stretch)
        return _form("MetricsValues", "{values{values{value}}}", 4, stretch, 30)

    def _label_form(self, stretch: Stretch | None) -> Form:
        if self._abilities.knows("execExpression"):
            return _form("ExpressionResult", _LABELLED, _LABELLED_FIELDS, stretch)
        return _form("MetricsValues", "{label values{values{value}}}", 5, stretch, 40)


def _form(of: str, fields: str, complexity: int, stretch: Stretch | None, tokens: int = 26) -> Form:
    shared = {"d": stretch.duration} if stretch else None
    return Form("Entity!", of, fields, complexity, tokens, "$d:Duration!", shared)


def _fill(answers: Sequence[Floats | Failed], into: Floats, failed: dict[int, str]) -> None:
    for row, answer in enumerate(answers):
        if isinstance(answer, Failed):
            failed[row] = answer.reason
        else:
            into[row] = answer


def _points(answer: Any, minutes: int) -> Floats | Failed:
    """One value a minute."""
    series = _series(answer)
    if isinstance(series, Failed):
        return series
    return _values(series[0][1], minutes) if series else np.full(minutes, np.nan)


def _ranks(answer: Any, minutes: int) -> Floats | Failed:
    """The percentiles of every minute: minutes x ranks."""
    series = _series(answer)
    if isinstance(series, Failed):
        return series
    found = np.full((minutes, len(SHARES)), np.nan)
    for label, points in series:
        values = _values(points, minutes)
        if isinstance(values, Failed):
            return values
        if label in _RANKS:
            found[:, _RANKS[label]] = values
    return found


def _series(answer: Any) -> list[tuple[str, Sequence[Any]]] | Failed:
    """Label and points of every series of an answer, in whichever language."""
    if isinstance(answer, Failed):
        return answer
    if isinstance(answer, list):
        return [(str(each.get("label")), each["values"]["values"]) for each in answer]
    if not isinstance(answer, Mapping):
        return Failed("no answer")
    if answer.get("error"):
        return Failed(str(answer["error"]))
    if "results" not in answer:
        return [("", answer["values"]["values"])]
    return [(_label(each), each["values"]) for each in answer["results"]]


def _label(result: Mapping[str, Any]) -> str:
    labels = (result.get("metric") or {}).get("labels") or ()
    return str(labels[0]["value"]) if labels else ""


def _values(points: Sequence[Mapping[str, Any]], minutes: int) -> Floats | Failed:
    if not points:
        return np.full(minutes, np.nan)
    if len(points) != minutes:
        return Failed(f"{len(points)} values for {minutes} minutes")
    return np.array([np.nan if point["value"] is None else float(point["value"]) for point in points])
