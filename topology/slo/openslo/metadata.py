"""Names, titles, labels and annotations, and what annotations under `synoptic/` say about an objective."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from topology.slo.objectives import Missing
from topology.slo.openslo.place import Place

PREFIX = "synoptic/"
MISSING, MIN_BAD_EVENTS, CLASS = "synoptic/missing", "synoptic/min-bad-events", "synoptic/class"
TITLE_ZH, DESCRIPTION_ZH = "synoptic/title-zh", "synoptic/description-zh"
OWN = (MISSING, MIN_BAD_EVENTS, CLASS, TITLE_ZH, DESCRIPTION_ZH)
MOST_BAD_EVENTS = 1_000_000
DESCRIPTION_MOST, TITLE_MOST = 1050, 63
_LABEL = re.compile(r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who an object is. `name` is empty when it is at fault."""

    name: str
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def read_metadata(place: Place) -> Metadata:
    """The metadata of an object; a list of label values is joined by commas."""
    if place.absent:
        place.fault("required", "a mapping with a name")
    if place.absent or not place.fields(("name", "displayName", "labels", "annotations"), required=("name",)):
        return Metadata("")
    title = place.at("displayName").text()
    if len(title) > TITLE_MOST:
        # the SDK refuses it, the specification knows no limit
        place.at("displayName").warn("length", f"at most {TITLE_MOST} characters", str(len(title)))
    return Metadata(place.at("name").name(), title, _labels(place.at("labels")), _annotations(place.at("annotations")))


def _labels(place: Place) -> dict[str, str]:
    found: dict[str, str] = {}
    for below in _entries(place, _LABEL):
        values = below.items() if isinstance(below.value, list) else [below]
        if any(not isinstance(value.value, str) for value in values):
            below.fault("type", "text or a list of texts (in quotes, if it looks like a number)")
            continue
        found[str(below.path[-1])] = ", ".join(str(value.value) for value in values)
    return found


def _annotations(place: Place) -> dict[str, str]:
    found: dict[str, str] = {}
    for below in _entries(place, None):
        key = str(below.path[-1])
        prefix, slash, name = key.rpartition("/")
        if _LABEL.fullmatch(name) is None or (slash and (len(prefix) > 253 or _PREFIX.fullmatch(prefix) is None)):
            below.fault("key", "a key such as my-domain.org/my-key", repr(key))
        elif key.startswith(PREFIX) and key not in OWN:
            below.fault("unknown-field", f"one of {', '.join(OWN)}", "an unknown annotation")
        elif not isinstance(below.value, str):
            below.fault("type", "text (in quotes, if it looks like a number)")
        else:
            found[key] = below.value
    return found


def _entries(place: Place, pattern: re.Pattern[str] | None) -> list[Place]:
    if place.absent:
        return []
    if not isinstance(place.value, dict):
        place.fault("type", "a mapping")
        return []
    good = [key for key in place.value if isinstance(key, str) and (pattern is None or pattern.fullmatch(key))]
    for key in place.value:
        if key not in good:
            place.at(key).fault("key", "at most 63 letters, digits, and - _ . between them", repr(str(key))[:80])
    return [place.at(key) for key in good]


def description(place: Place) -> str:
    """A description of at most 1050 characters."""
    return place.text(DESCRIPTION_MOST)


def missing(place: Place, annotations: Mapping[str, str]) -> Missing:
    """What time without data counts as."""
    word = place.at(MISSING).one_of(list(Missing)) if MISSING in annotations else None
    return Missing(word or Missing.IGNORE)


def min_bad_events(place: Place, annotations: Mapping[str, str], default: int) -> int:
    """Fewer bad events than these in the long window raise no alert."""
    if MIN_BAD_EVENTS not in annotations:
        return default
    text = annotations[MIN_BAD_EVENTS]
    if not re.fullmatch(r"\d{1,7}", text, re.ASCII) or int(text) > MOST_BAD_EVENTS:
        place.at(MIN_BAD_EVENTS).fault("range", f'a whole number from "0" to "{MOST_BAD_EVENTS}", in quotes')
        return default
    return int(text)
