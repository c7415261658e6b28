"""An SLO document becomes objectives: one for each of its targets, or a single one where it is a composite."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from topology.slo.objectives import Indicator, Method, Operator, Part, Ratio, Slo, Threshold
from topology.slo.openslo.doubts import House, doubt
from topology.slo.openslo.effective import effective
from topology.slo.openslo.indicator import Foreign, Form, read_indicator
from topology.slo.openslo.library import SLI, Library, Object, read_policies
from topology.slo.openslo.metadata import (
    CLASS,
    DESCRIPTION_ZH,
    TITLE_ZH,
    description,
    min_bad_events,
    missing,
    read_metadata,
)
from topology.slo.openslo.period import DEFAULT, read_period
from topology.slo.openslo.place import Place
from topology.slo.openslo.synoptic import Measured, check_limit
from topology.slo.openslo.target import Target, read_target

FIELDS = ("description", "service", "indicator", "indicatorRef", "timeWindow", "budgetingMethod", "objectives",
          "alertPolicies")  # fmt: skip
CLASSES = ("critical", "high", "low", "none")


@dataclass(frozen=True, slots=True)
class Reading:
    """Objectives that can be evaluated, and those over foreign metrics, which are only listed (they have no parts)."""

    slos: tuple[Slo, ...] = ()
    foreign: tuple[Slo, ...] = ()


def read_slo(found: Object, known: Library, house: House, file: str) -> Reading:
    """The objectives of an SLO; nothing when anything in it is at fault."""
    before, spec = len(known.findings), found.spec
    if spec.absent:
        spec.fault("required", "a mapping with service, indicator, budgetingMethod and objectives")
    if spec.absent or not spec.fields(FIELDS, required=("service", "budgetingMethod", "objectives")):
        return Reading()
    base, objectives = _base(found, known, house, file), _objectives(spec)
    composite = any(not place.at(key).absent for place in objectives for key in ("indicator", "indicatorRef"))
    forms = _forms(spec, objectives, composite, known)
    indicators = [_indicator(form, place) for form, place in zip(forms, objectives, strict=True)]
    read = [read_target(place, str(spec.at("budgetingMethod").value)) for place in objectives]
    targets = [target for target in read if target]
    if composite:
        _one_target(spec.at("objectives"), targets)
    if _at_fault(known, before):
        return Reading()
    slos = _composite(base, targets, indicators) if composite else _each(base, targets, indicators)
    if any(isinstance(form, Foreign) for form in forms):
        return Reading(foreign=tuple(replace(slo, parts=(), rules=()) for slo in slos))
    doubt(spec, slos, targets, house)
    return Reading() if _at_fault(known, before) else Reading(tuple(slos))


def _at_fault(known: Library, before: int) -> bool:
    return any(not note.warning for note in known.findings[before:])


def _objectives(spec: Place) -> list[Place]:
    place = spec.at("objectives")
    if place.value == []:
        place.fault("required", "at least one objective")
    return [] if place.absent else place.items()


def _base(found: Object, known: Library, house: House, file: str) -> Slo:
    """Everything about an SLO that its objectives share; what is at fault is noted and has some value."""
    spec, metadata = found.spec, found.metadata
    annotations = found.place.at("metadata").at("annotations")
    kind = annotations.at(CLASS).one_of(CLASSES) if CLASS in metadata.annotations else None
    period = read_period(spec.at("timeWindow")) or DEFAULT
    return Slo(
        metadata.name, metadata.title or metadata.name, spec.at("service").text(), (), Decimal(0), period,
        Method(spec.at("budgetingMethod").one_of(list(Method)) or Method.OCCURRENCES),
        missing=missing(annotations, metadata.annotations),
        rules=house.windows.rules(period.length_s),
        conditions=read_policies(spec.at("alertPolicies"), known),
        min_bad_events=min_bad_events(annotations, metadata.annotations, house.min_bad_events),
        service_class=kind or "",
        description=description(spec.at("description")),
        title_zh=metadata.annotations.get(TITLE_ZH, ""),
        description_zh=metadata.annotations.get(DESCRIPTION_ZH, ""),
        file=file, labels=metadata.labels, document=effective(found, known, period),
    )  # fmt: skip


def _forms(spec: Place, objectives: Sequence[Place], composite: bool, known: Library) -> list[Form | None]:
    """The indicator of each objective."""
    if not composite:
        form = _form(spec, known)
        return [form for _ in objectives]
    for key in ("indicator", "indicatorRef"):
        if not spec.at(key).absent:
            spec.at(key).fault("exactly-one", "an indicator in the spec or in each objective", "both")
    return [_form(place, known) for place in objectives]


def _form(place: Place, known: Library) -> Form | None:
    """The indicator of a spec or objective, written there or referred to."""
    key = place.exactly_one("indicator", "indicatorRef")
    if key == "indicatorRef":
        return _referred(place.at(key), known)
    inline = place.at("indicator")
    if key is None or not inline.fields(("metadata", "spec"), required=("metadata",)):
        return None
    if not inline.at("metadata").absent:
        read_metadata(inline.at("metadata"))
    return read_indicator(inline.at("spec"), known.types)


def _referred(place: Place, known: Library) -> Form | None:
    name = known.refers(place, SLI)
    if name is None:
        return None
    form = known.indicators.get(name)
    if form is None:
        place.fault("reference", "an SLI without fault", f"{name!r}, which has faults of its own")
    return form


def _indicator(form: Form | None, place: Place) -> Indicator | None:
    operator, value = place.at("op"), place.at("value")
    if isinstance(form, Ratio) or (isinstance(form, Foreign) and not form.threshold):
        for written in (operator, value):
            if not written.absent:
                # the SDK refuses them, the examples of the specification have them
                written.warn("ratio", f"no {written.path[-1]} beside a ratioMetric", "one, which is ignored")
        return form if isinstance(form, Ratio) else None
    word, limit = operator.one_of(list(Operator)), value.number()
    if not isinstance(form, Measured):
        return None
    for written in (operator, value):
        if written.absent:
            written.fault("required", "a value, since the indicator is a thresholdMetric")
    if word is None or limit is None:
        return None
    check_limit(value, form, limit)
    return Threshold(form.selection, form.measure, Operator(word), limit, form.weeks)


def _one_target(place: Place, targets: Sequence[Target]) -> None:
    for words, asked in (("target", {target.share for target in targets}),
                         ("timeSliceTarget", {target.slice_target for target in targets}),
                         ("timeSliceWindow", {target.slice_s for target in targets})):  # fmt: skip
        if len(asked) > 1:
            place.fault("composite", f"the same {words} in all parts of a composite", f"{len(asked)} different ones")


def _composite(base: Slo, targets: Sequence[Target], indicators: Sequence[Indicator | None]) -> list[Slo]:
    parts = tuple(Part(one, target.weight) for one, target in zip(indicators, targets, strict=True) if one)
    first = targets[0]
    return [replace(base, parts=parts, target=first.share, slice_s=first.slice_s, slice_target=first.slice_target)]


def _each(base: Slo, targets: Sequence[Target], indicators: Sequence[Indicator | None]) -> list[Slo]:
    made = []
    names = _names([target.title for target in targets])
    for target, indicator, name in zip(targets, indicators, names, strict=True):
        slo = replace(base, parts=(Part(indicator),) if indicator else (), target=target.share,
                      slice_s=target.slice_s, slice_target=target.slice_target)  # fmt: skip
        if len(targets) > 1:
            slo = replace(slo, name=f"{base.name}/{name}", title=f"{base.title}: {target.title or name}")
        made.append(slo)
    return made


def _names(titles: Sequence[str]) -> list[str]:
    """A short name for each objective: its title in small letters and hyphens, or its number."""
    words = [re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] for title in titles]
    return [word if word and words.count(word) == 1 else str(number) for number, word in enumerate(words, 1)]
