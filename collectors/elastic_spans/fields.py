"""Fields of documents, whether their names are nested or dotted, and the forms in which they tell a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from math import isfinite
from typing import Any

MILLI, MICRO, SECOND = 1_000_000, 1_000, 1_000_000_000
Fields = dict[str, Any]
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d{1,9})\d*)?(Z|[+-]\d\d:?\d\d)?")
_MILLIS = re.compile(r"(-?\d{1,16})(?:\.(\d{1,6})\d*)?")


def flat(document: Mapping[str, Any]) -> Fields:
    """Every value by its dotted name; lists are values."""
    found: Fields = {}
    flatten(document, "", found)
    return found


def flatten(document: Mapping[str, Any], prefix: str, found: Fields) -> None:
    """Adds the values of an object to those that are `found`, their names behind a prefix."""
    for name, value in document.items():
        if isinstance(value, dict):
            flatten(value, f"{prefix}{name}.", found)
        else:
            found[prefix + name] = value


def within(name: str, value: Any) -> Fields:
    """The same of one field of a document."""
    return flat({name: value})


def under(document: Mapping[str, Any], name: str) -> Fields:
    """The dotted fields below a name, without it: those of an object, and those whose names begin so."""
    held = document.get(name)
    found = flat(held) if isinstance(held, dict) else {}
    prefix = name + "."
    found |= {key.removeprefix(prefix): value for key, value in document.items() if key.startswith(prefix)}
    return found


def time_ns(value: Any) -> int | None:
    """Epoch nanoseconds of a time: ISO 8601 (UTC unless it says otherwise), or epoch milliseconds with a fraction, as a
    number or as text; None for anything else."""
    if isinstance(value, (int, float)):
        return round(value * MILLI)
    if not isinstance(value, str):
        return None
    moment = _MOMENT.fullmatch(value) if "T" in value else None
    if moment is not None:
        start = _second(moment[1], moment[3] or "Z")
        return None if start is None else start * SECOND + int((moment[2] or "").ljust(9, "0"))
    millis = _MILLIS.fullmatch(value)
    return int(millis[1]) * MILLI + int((millis[2] or "").ljust(6, "0")) if millis else None


@lru_cache(maxsize=1 << 12)
def _second(text: str, zone: str) -> int | None:
    """Epoch seconds; many spans share one."""
    try:
        return int(datetime.fromisoformat(text + ("+00:00" if zone == "Z" else zone)).timestamp())
    except ValueError:
        return None


def number(value: Any) -> float | None:
    """A finite number, as such or as text; None for anything else."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if isfinite(found) else None
