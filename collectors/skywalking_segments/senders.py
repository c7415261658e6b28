"""Who sent it: the OTLP resource of a service and an instance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from collectors.skywalking_segments.instances import Instances
from collectors.skywalking_segments.protocol.skywalking_pb2 import LogData, SegmentObject

GROUP = "::"
Fill = Callable[[Resource, str, str], None]
"""Fills an empty resource for a service and an instance."""
Scope = TypeVar("Scope")


class BySender(Generic[Scope]):
    """A block of a request for every sender, added by `add` and filled when it is first asked for; what is written
    goes to the block's one scope, which `inside` adds."""

    def __init__(self, add: Callable[[], Any], inside: Callable[[Any], Scope], fill: Fill) -> None:
        self._add, self._inside, self._fill = add, inside, fill
        self._scopes: dict[tuple[str, str], Scope] = {}

    def scope(self, sent: SegmentObject | LogData) -> Scope:
        """Where something of its sender is written."""
        sender = sent.service, sent.serviceInstance
        if sender not in self._scopes:
            block = self._add()
            self._fill(block.resource, *sender)
            self._scopes[sender] = self._inside(block)
        return self._scopes[sender]


@dataclass(frozen=True, slots=True)
class Senders:
    """Resources of SkyWalking's services and instances: `zone_attribute` is the one from which zones are read, and
    `namespace_from_group` says that `group::name` is a namespace and a name."""

    instances: Instances
    zone_attribute: str
    namespace_from_group: bool

    def fill(self, resource: Resource, service: str, instance: str) -> None:
        """Writes who sent it into an empty resource."""
        for key, value in self._facts(service, instance):
            if value:
                resource.attributes.add(key=key).value.string_value = value

    def _facts(self, service: str, instance: str) -> Iterator[tuple[str, str]]:
        facts = self.instances.facts(service, instance)
        namespace, name = named(service, self.namespace_from_group)
        yield "service.namespace", namespace
        yield "service.name", name
        yield "service.instance.id", instance
        yield "service.version", facts.version
        if self.zone_attribute:
            yield self.zone_attribute, facts.zone


def named(service: str, namespace_from_group: bool) -> tuple[str, str]:
    """The namespace and the name of a service: the two parts of `group::name`, if that is what a group is."""
    group, _, short = service.partition(GROUP)
    return (group, short) if namespace_from_group and group and short else ("", service)
