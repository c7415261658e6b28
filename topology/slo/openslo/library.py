"""All objects of a folder by kind and name, and what refers to what."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

from topology.slo.objectives import BurnCondition
from topology.slo.openslo.alerting import read_condition, read_inline, read_target
from topology.slo.openslo.indicator import Form, read_indicator
from topology.slo.openslo.metadata import Metadata, description, read_metadata
from topology.slo.openslo.place import Finding, Place

VERSION = "openslo/v1"
SLO, SLI, SERVICE, SOURCE = "SLO", "SLI", "Service", "DataSource"
POLICY, CONDITION, TARGET = "AlertPolicy", "AlertCondition", "AlertNotificationTarget"
KINDS = (SLO, SLI, SERVICE, SOURCE, POLICY, CONDITION, TARGET)


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a file as plain values (dict, list, str, int, Decimal, bool, None): an object or a list of them."""

    file: str
    value: object


@dataclass(frozen=True, slots=True)
class Object:
    """An object with a kind and a name; `sound` when nothing around its spec is at fault."""

    kind: str
    metadata: Metadata
    place: Place
    sound: bool

    @property
    def spec(self) -> Place:
        """What the object says."""
        return self.place.at("spec")


@dataclass
class Library:
    """The objects of all documents. Each is read once; what is at fault is None in its mapping."""

    findings: list[Finding] = field(default_factory=list)
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    indicators: dict[str, Form | None] = field(default_factory=dict)
    conditions: dict[str, BurnCondition | None] = field(default_factory=dict)
    policies: dict[str, tuple[BurnCondition, ...] | None] = field(default_factory=dict)

    def of_kind(self, kind: str) -> list[Object]:
        """The objects of a kind, in the order in which they are written."""
        return [found for found in self.objects.values() if found.kind == kind]

    def refers(self, place: Place, kind: str) -> str | None:
        """The name in `place`, if an object of that kind and name exists; otherwise a fault is noted."""
        if place.absent:
            return None
        name = place.name()
        if not name or (kind, name) in self.objects:
            return name or None
        near = difflib.get_close_matches(name, [found.metadata.name for found in self.of_kind(kind)], n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        place.fault("reference", f"the name of an {kind} in this folder{hint}")
        return None


def library(documents: Sequence[Document]) -> Library:
    """The objects of the documents, with everything but the SLOs read."""
    found = Library()
    for number, document in enumerate(documents):
        for place in _roots(Place(document.value, (), number, found.findings)):
            _take(found, place, documents)
    for source in found.of_kind(SOURCE):
        found.types[source.metadata.name] = _source_type(source.spec)
    for indicator in found.of_kind(SLI):
        found.indicators[indicator.metadata.name] = read_indicator(indicator.spec, found.types)
    for service in found.of_kind(SERVICE):
        if not service.spec.absent and service.spec.fields(("description",)):
            description(service.spec.at("description"))
    for target in found.of_kind(TARGET):
        read_target(target.spec)
    for condition in found.of_kind(CONDITION):
        found.conditions[condition.metadata.name] = read_condition(condition.spec, condition.metadata.name)
    for policy in found.of_kind(POLICY):
        found.policies[policy.metadata.name] = read_policy(policy.spec, found)
    return found


def _roots(place: Place) -> list[Place]:
    if place.absent:
        return []
    return place.items() if isinstance(place.value, list) else [place]


def _take(found: Library, place: Place, documents: Sequence[Document]) -> None:
    before = len(found.findings)
    if not place.fields(("apiVersion", "kind", "metadata", "spec"), required=("apiVersion", "kind")):
        return
    place.at("apiVersion").one_of((VERSION,))
    kind = place.at("kind").one_of(KINDS)
    metadata = read_metadata(place.at("metadata"))
    if kind is None or not metadata.name:
        return
    sound = all(note.warning for note in found.findings[before:])
    first = found.objects.setdefault((kind, metadata.name), Object(kind, metadata, place, sound))
    if first.place is not place:
        found_again = f"{metadata.name!r} again, as in {documents[first.place.document].file}"
        place.at("metadata").at("name").fault("unique", f"every {kind} name once", found_again)


def _source_type(place: Place) -> str:
    if not place.fields(("description", "type", "connectionDetails"), required=("type",)):
        return ""
    description(place.at("description"))
    return place.at("type").text()


def read_policy(place: Place, known: Library) -> tuple[BurnCondition, ...] | None:
    """The condition of an AlertPolicy's spec; None when it is at fault."""
    fields = ("description", "alertWhenNoData", "alertWhenResolved", "alertWhenBreaching", "conditions",
              "notificationTargets")  # fmt: skip
    if not place.fields(fields, required=("conditions", "notificationTargets")):
        return None
    description(place.at("description"))
    for key in fields[1:4]:
        place.at(key).truth()
    targets, conditions = place.at("notificationTargets"), place.at("conditions")
    if targets.value == []:
        targets.fault("required", "at least one notification target")
    for target in [] if targets.absent else targets.items():
        _target(target, known)
    if conditions.absent:
        return None
    written = conditions.items()
    if isinstance(conditions.value, list) and len(written) != 1:
        conditions.fault("one-condition", "exactly one condition", str(len(written)))
    read = [_condition(condition, known) for condition in written]
    return None if None in read else tuple(condition for condition in read if condition)


def _condition(place: Place, known: Library) -> BurnCondition | None:
    if _is_reference(place, "conditionRef"):
        name = known.refers(place.at("conditionRef"), CONDITION)
        return known.conditions.get(name) if name else None
    inline = read_inline(place, CONDITION)
    return read_condition(inline[1], inline[0]) if inline else None


def _target(place: Place, known: Library) -> None:
    if _is_reference(place, "targetRef"):
        known.refers(place.at("targetRef"), TARGET)
        return
    inline = read_inline(place, TARGET)
    if inline:
        read_target(inline[1])


def _is_reference(place: Place, key: str) -> bool:
    """Whether the object is referred to; notes a reference with an object beside it."""
    if not isinstance(place.value, dict) or key not in place.value:
        return False
    if place.at(key).absent:
        place.at(key).fault("required", "a name")
    if any(word in place.value for word in ("kind", "metadata", "spec")):
        place.fault("exactly-one", f"exactly one of {key} and an object written here", "both")
    return True


def read_policies(place: Place, known: Library) -> tuple[BurnCondition, ...]:
    """The conditions of all alert policies of an SLO; those at fault are noted and left out."""
    found: list[BurnCondition] = []
    for policy in [] if place.absent else place.items():
        if _is_reference(policy, "alertPolicyRef"):
            name = known.refers(policy.at("alertPolicyRef"), POLICY)
            found += (known.policies.get(name) or ()) if name else ()
        elif inline := read_inline(policy, POLICY):
            found += read_policy(inline[1], known) or ()
    return tuple(found)
