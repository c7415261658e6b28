"""Who sent it: resource attributes to the service, zone, instance and version they name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from topology.model import UNNAMED, Resource, Service, unnamed

ENVIRONMENT = ("deployment.environment.name", "deployment.environment")
ZONE = ("cloud.availability_zone", "service.zone", "topology.kubernetes.io/zone")
INSTANCE = ("service.instance.id", "k8s.pod.name", "host.name")
SENDER = ("service.instance.id", "k8s.pod.name", "container.id")
"""What tells services apart that have no name; where there is none of these, host and process do."""


Identify = Callable[[Mapping[str, str]], Resource]
"""From resource attributes to who sent it."""


def identify(found: Mapping[str, str], default_environment: str = "", zones: Sequence[str] = ZONE) -> Resource:
    """The sender named by resource attributes, by the semantic conventions, new names before old ones."""
    service = Service(
        first(found, ENVIRONMENT) or default_environment,
        found.get("service.namespace", ""),
        _name(found),
    )
    return Resource(service, first(found, zones), first(found, INSTANCE), found.get("service.version", ""))


def first(found: Mapping[str, str], names: Iterable[str]) -> str:
    """The first of several attributes that is there and not empty, or ""."""
    return next((found[name] for name in names if found.get(name)), "")


def _name(found: Mapping[str, str]) -> str:
    name = found.get("service.name", "") or UNNAMED
    if not name.startswith(UNNAMED):
        return name
    place = (first(found, ("host.name", "host.id")), found.get("process.pid", ""))
    return unnamed(name, first(found, SENDER) or ":".join(part for part in place if part))
