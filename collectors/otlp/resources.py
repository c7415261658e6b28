"""Who sent it: an OTLP resource to the service, zone, instance and version it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from opentelemetry.proto.resource.v1.resource_pb2 import Resource as Message

from collectors.otlp.values import first, parse, texts
from topology.model import UNNAMED, Resource, Service, unnamed

ENVIRONMENT = ("deployment.environment.name", "deployment.environment")
ZONE = ("cloud.availability_zone", "service.zone", "topology.kubernetes.io/zone")
INSTANCE = ("service.instance.id", "k8s.pod.name", "host.name")
SENDER = ("service.instance.id", "k8s.pod.name", "container.id")
"""What tells services apart that have no name; where there is none of these, host and process do."""


Identify = Callable[[Mapping[str, str]], Resource]
"""From resource attributes to who sent it."""


def read(raw: bytes, identify: Identify) -> Resource:
    """The resource of its protobuf bytes; MalformedInput when they are none."""
    message = Message()
    parse(message, raw)
    return identify(texts(message.attributes))


def identify(found: Mapping[str, str], default_environment: str = "", zones: Sequence[str] = ZONE) -> Resource:
    """The sender named by resource attributes, by the semantic conventions, new names before old ones."""
    service = Service(
        first(found, ENVIRONMENT) or default_environment,
        found.get("service.namespace", ""),
        _name(found),
    )
    return Resource(service, first(found, zones), first(found, INSTANCE), found.get("service.version", ""))


def _name(found: Mapping[str, str]) -> str:
    name = found.get("service.name", "") or UNNAMED
    if not name.startswith(UNNAMED):
        return name
    place = (first(found, ("host.name", "host.id")), found.get("process.pid", ""))
    return unnamed(name, first(found, SENDER) or ":".join(part for part in place if part))
