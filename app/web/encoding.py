"""Which content codings a client takes (RFC 9110, 12.5.3)."""

from __future__ import annotations


def accepts(header: str, coding: str) -> bool:
    """Whether `Accept-Encoding: header` allows `coding`; `q=0` is a no, `*` stands for what is not named."""
    named = dict(_weighted(item) for item in header.lower().split(",") if item.strip())
    return named.get(coding, named.get("*", 0.0)) > 0


def _weighted(item: str) -> tuple[str, float]:
    name, _, parameters = item.partition(";")
    weight = parameters.strip().removeprefix("q=") if parameters else "1"
    try:
        return name.strip(), float(weight)
    except ValueError:
        return name.strip(), 0.0
