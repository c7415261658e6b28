"""The document that is in force, as plain JSON: references replaced by what they refer to, defaults written out."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from topology.slo.objectives import Period
from topology.slo.openslo.library import CONDITION, POLICY, SLI, Library, Object
from topology.slo.openslo.place import decimal


def effective(found: Object, known: Library, period: Period) -> Mapping[str, object]:
    """The document of an SLO with every indicator, policy and condition in its place. Numbers are JSON's: a float
    prints the decimal it was written as."""
    document = _plain(found.place.value)
    assert isinstance(document, dict)
    spec = document.get("spec")
    if not isinstance(spec, dict):
        return document
    spec.setdefault("timeWindow", [{"duration": period.length, "isRolling": True}])
    for holder in [spec, *_mappings(spec.get("objectives"))]:
        if name := _reference(holder, "indicatorRef"):
            holder["indicator"] = _body(known, SLI, name)
    spec["alertPolicies"] = [_policy(policy, known) for policy in _mappings(spec.get("alertPolicies"))]
    if not spec["alertPolicies"]:
        del spec["alertPolicies"]
    return document


def _policy(policy: dict[str, object], known: Library) -> dict[str, object]:
    if name := _reference(policy, "alertPolicyRef"):
        policy.update(kind=POLICY, **_body(known, POLICY, name))
    spec = policy.get("spec")
    for condition in _mappings(spec.get("conditions")) if isinstance(spec, dict) else []:
        if name := _reference(condition, "conditionRef"):
            condition.update(kind=CONDITION, **_body(known, CONDITION, name))
    return policy


def _reference(holder: dict[str, object], key: str) -> str | None:
    """The name that is referred to, taken out of its holder."""
    name = holder.pop(key, None)
    return name if isinstance(name, str) else None


def _body(known: Library, kind: str, name: str) -> dict[str, object]:
    found = known.objects.get((kind, name))
    value = _plain(found.place.value) if found else None
    return {key: value[key] for key in ("metadata", "spec") if key in value} if isinstance(value, dict) else {}


def _mappings(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(below) for below in value]
    if isinstance(value, Decimal | float):
        number = decimal(value)
        if number is None:
            return str(value)
        return int(number) if number == number.to_integral_value() and abs(number) < 2**53 else float(number)
    return value if isinstance(value, bool | int | str) or value is None else str(value)
