"""Who sent it: an OTLP resource to the service, zone, instance and version it names."""

from __future__ import annotations

from opentelemetry.proto.resource.v1.resource_pb2 import Resource as Message

from collectors.otlp.values import parse, texts
from collectors.resources import Identify, identify
from topology.model import Resource

__all__ = ["Identify", "identify", "read"]


def read(raw: bytes, identify: Identify) -> Resource:
    """The resource of its protobuf bytes; MalformedInput when they are none."""
    message = Message()
    parse(message, raw)
    return identify(texts(message.attributes))
