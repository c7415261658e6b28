"""Reading of documents that come from outside: every misfit is a Misread that names the key."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from app.changes.told import Misread

LATEST_S = 4_102_444_800  # 2100-01-01; a greater number is in milliseconds
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d{1,9})?) ?(Z|z|UTC|[+-]\d\d:?\d\d)?", re.ASCII)
_FORMS = "expected RFC 3339 with an offset, or epoch seconds"


def mapping(value: Any, key: str = "") -> Mapping[str, Any]:
    """The object that stands there."""
    if not isinstance(value, Mapping):
        raise Misread(key, "expected an object")
    return value


def inner(document: Mapping[str, Any], *path: str) -> Any:
    """What stands at the end of a path, None where it breaks off."""
    found: Any = document
    for word in path:
        found = found.get(word) if isinstance(found, Mapping) else None
    return found


def text(document: Mapping[str, Any], *path: str, needed: bool = False) -> str:
    """A text without the space around it; a number as it is written; "" where there is nothing."""
    value, key = inner(document, *path), ".".join(path)
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise Misread(key, "expected a text")
    said = "" if value is None else str(value).strip()
    if needed and not said:
        raise Misread(key, "expected a text that is not empty")
    return said


def moment_s(document: Mapping[str, Any], *path: str, offset: str | None = None) -> float | None:
    """Epoch seconds of a moment; None where there is none. A time without its offset is read with `offset`, and
    refused without one."""
    value, key = inner(document, *path), ".".join(path)
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _epoch_s(float(value), key)
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    zone = found[3] or offset if found else None
    if found is None or zone is None:
        raise Misread(key, _FORMS)
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{'+00:00' if zone in ('Z', 'z', 'UTC') else zone}"
                                      ).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        raise Misread(key, _FORMS) from None


def _epoch_s(value: float, key: str) -> float:
    value = value / 1000 if value > LATEST_S else value
    if not math.isfinite(value) or not 0 < value <= LATEST_S:
        raise Misread(key, _FORMS)
    return value


def last_part(path: str) -> str:
    """What stands behind the last slash."""
    return path.rstrip("/").rpartition("/")[2]


def objects(value: Any, key: str) -> Sequence[Mapping[str, Any]]:
    """A list of objects; none where there is nothing."""
    if not isinstance(value, list | None):
        raise Misread(key, "expected a list")
    return [mapping(one, f"{key}[{place}]") for place, one in enumerate(value or ())]
