"""Whose a line is, by what its fields say; and which values a service's lines have."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from collectors.elastic_logs.layouts import Clause, Layout
from collectors.elastic_logs.views import View
from topology.model import Service


def service_of(layout: Layout, get: Callable[[str], Any], environment: str) -> Service | None:
    """The service whose `service`, `environment` and `namespace` are what `get` gives; None when it has no name."""
    name = str(get("service") or "").strip()
    if layout.encoded:
        name = decoded(name)
    if not name:
        return None
    return Service(str(get("environment") or environment), str(get("namespace") or ""), name)


def decoded(identity: str) -> str:
    """The name in a SkyWalking id (base64, a dot, 1 for real services); "" for anything else."""
    try:
        return b64decode(identity.rpartition(".")[0], validate=True).decode()
    except ValueError:
        return ""


def of_service(view: View, service: Service, environment: str) -> list[Clause]:
    """The clauses that hold for the lines of a service."""
    name = service.name
    if view.layout.encoded:
        name = f"{b64encode(name.encode()).decode()}.1"
    clauses: list[Clause] = [_any([{"term": {field: name}} for field in view.services])]
    if view.environment:
        clauses.append(_is(view.environment, service.environment, missing=service.environment == environment))
    if view.namespace:
        clauses.append(_is(view.namespace, service.namespace, missing=not service.namespace))
    return clauses


def named(view: View) -> Clause:
    """Holds for lines that name a service at all."""
    return _any([{"exists": {"field": field}} for field in view.services])


def _is(field: str, value: str, *, missing: bool) -> Clause:
    """A field that has a value; `missing`: or has none at all."""
    has: Clause = {"term": {field: value}}
    if not missing:
        return has
    without: Clause = {"bool": {"must_not": [{"exists": {"field": field}}]}}
    return _any([has, without])


def _any(ways: list[Clause]) -> Clause:
    return ways[0] if len(ways) == 1 else {"bool": {"should": ways, "minimum_should_match": 1}}
