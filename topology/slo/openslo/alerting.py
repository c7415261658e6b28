"""Alert policies and their conditions: burn rates over one window, as OpenSLO has them."""

from __future__ import annotations

from topology.slo.objectives import BurnCondition, Operator
from topology.slo.openslo.metadata import description, read_metadata
from topology.slo.openslo.period import read_duration
from topology.slo.openslo.place import Place

CONDITION_FIELDS = ("kind", "op", "threshold", "lookbackWindow", "alertAfter")


def read_condition(place: Place, name: str) -> BurnCondition | None:
    """The condition of an AlertCondition's spec; None when it is at fault."""
    before = len(place.findings)
    if not place.fields(("description", "severity", "condition"), required=("severity", "condition")):
        return None
    description(place.at("description"))
    severity, burn = place.at("severity").text(), place.at("condition")
    if burn.absent or not burn.fields(CONDITION_FIELDS, required=("threshold", "lookbackWindow")):
        return None
    _kind(burn.at("kind"))
    operator, threshold = _operator(burn.at("op")), burn.at("threshold").number()
    lookback = read_duration(burn.at("lookbackWindow"))
    after = read_duration(burn.at("alertAfter"), zero=True)
    if threshold is None or lookback is None or any(not note.warning for note in place.findings[before:]):
        return None
    return BurnCondition(name, severity, operator, threshold, lookback.seconds, after.seconds if after else 0)


def _kind(place: Place) -> None:
    if place.absent:
        # the prose has burnrate as its default, the SDK asks for it
        place.warn("required", "kind: burnrate", "nothing, read as burnrate")
    place.one_of(("burnrate",))


def _operator(place: Place) -> Operator:
    if place.absent:
        # the prose knows no operator here, the SDK asks for one
        place.warn("required", f"op: one of {', '.join(Operator)}", "nothing, read as gte")
    return Operator(place.one_of(list(Operator)) or Operator.GTE)


def read_target(place: Place) -> None:
    """Checks the spec of an AlertNotificationTarget."""
    if place.fields(("description", "target"), required=("target",)):
        description(place.at("description"))
        place.at("target").text()


def read_inline(place: Place, kind: str) -> tuple[str, Place] | None:
    """Name and spec of an object that is written where it is used; None when it is no such object."""
    if not place.fields(("kind", "metadata", "spec"), required=("kind", "spec")):
        return None
    place.at("kind").one_of((kind,))
    name = read_metadata(place.at("metadata")).name
    return (name, place.at("spec")) if not place.at("spec").absent else None
