"""Events that agents and deployment tools tell of, as changes: SkyWalking's event protocol."""

from __future__ import annotations

from collections.abc import Callable

from collectors.skywalking_segments.config import Config
from collectors.skywalking_segments.protocol.skywalking_pb2 import Error, Event
from collectors.skywalking_segments.senders import named
from topology.changes import Change, ChangeKind, Outcome
from topology.model import Service

MOST_TITLE = 200
_KINDS = (
    (ChangeKind.DEPLOYMENT, ("deploy", "release", "rollout", "rollback", "upgrade")),
    (ChangeKind.CONFIGURATION, ("config",)),
    (ChangeKind.SCALING, ("scal",)),
    (ChangeKind.RESTART, ("start", "shutdown", "reboot", "killing")),
)


def change(event: Event, source: str, environment: str, config: Config, mask: Callable[[str], str]) -> Change | None:
    """The change that an event is, or None for one that tells of none: Kubernetes tells of every image it pulls."""
    kind = _kind(event.name)
    if kind is None or not event.uuid or event.startTime <= 0:
        return None
    service = event.source.service
    done = Outcome.SUCCEEDED if event.endTime > 0 else Outcome.UNKNOWN
    title = mask(f"{event.name}: {event.message}" if event.message else event.name)
    return Change(
        f"{source}:{event.uuid}", event.startTime / 1000, kind, title[:MOST_TITLE], source,
        Service(environment, *named(service, config.namespace_from_group)) if service else None,
        version=next((event.parameters[name] for name in config.version_attributes if name in event.parameters), ""),
        outcome=Outcome.FAILED if event.type == Error else done,
        ended_s=event.endTime / 1000 if event.endTime > 0 else None,
    )  # fmt: skip


def _kind(name: str) -> ChangeKind | None:
    small = name.lower()
    return next((kind for kind, parts in _KINDS if any(part in small for part in parts)), None)
