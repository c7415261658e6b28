"""Tables as comma-separated values that a spreadsheet opens as they are and takes for no formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from math import isfinite

FORMULA = ("=", "+", "-", "@", "\t", "\r")
MARK = "\ufeff"  # tells spreadsheets that the text is UTF-8


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Header and rows with CRLF and quotes as RFC 4180 has them. Unknown is empty, numbers stay numbers."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([cell(name) for name in header])
    writer.writerows([cell(value) for value in row] for row in rows)
    return MARK + out.getvalue()


def cell(value: object) -> object:
    """A value as it goes into a cell: a text that would start a formula gets an apostrophe before it."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return value
    text = str(value)
    return "'" + text if text.startswith(FORMULA) else text
